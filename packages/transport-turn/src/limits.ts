/** Silence on a relayed datagram path after which something is sent: below the 30 s after which many NATs forget UDP. */
export const KEEP_ALIVE_MS = 5_000
/** Silence of the other side after which a stream over datagrams fails: the bound for noticing that a relay is gone. */
export const IDLE_TIMEOUT_MS = 20_000
/** For the whole of an attempt. */
export const ATTEMPT_MS = 20_000
/** From an offer on, until the two devices have met on the relay. */
export const MEET_MS = 6_000
