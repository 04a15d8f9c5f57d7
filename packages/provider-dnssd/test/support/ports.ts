// Below those that the system gives to sockets that take any port.
let port = 10_000 + (process.pid % 10_000)

/** A UDP port that no other test of this run uses, so that tests do not hear each other. */
export function nextPort(): number {
  return ++port
}
