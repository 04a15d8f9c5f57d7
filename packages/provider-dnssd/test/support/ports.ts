let port = 20_000 + (process.pid % 20_000)

/** A UDP port that no other test of this run uses, so that tests do not hear each other. */
export function nextPort(): number {
  return ++port
}
