import { MAX_SECOND_MS, MAX_START_MS, type ClockReading } from './messages.ts'

/** Clocks that may be further off than this are not used: both sides keep trying for longer than a message takes. */
const USABLE_UNCERTAINTY_MS = 500
/** Messages that took longer than this say more of a clock than of the network. */
const PLAUSIBLE_DELAY_MS = 2_000
/** Added to the time a message takes, for what happens before it is sent and after it came. */
const MARGIN_MS = 20
/** Assumed for the way of one message where nothing is known. */
const ASSUMED_DELAY_MS = 100
const LEAST_SECOND_MS = 40

/** When both sides begin, as the side that answers decides it. */
export interface Start {
  /** Milliseconds from the sending of the answer. */
  readonly startInMs: number
  readonly secondAfterMs: number
}

/**
 * Chooses a beginning as soon as the answer can have arrived: the offer's travelling time is taken for the answer's, with the clocks'
 * uncertainty on top. An early side is only refused or unheard, it keeps trying; so nothing depends on good clocks.
 * @param sent of the offer, by the other side's network clock @param received by ours
 */
export function chooseStart(sent: ClockReading | undefined, received: ClockReading | undefined): Start {
  const travelled = travelTime(sent, received)
  if (travelled === undefined) return { startInMs: ASSUMED_DELAY_MS, secondAfterMs: ASSUMED_DELAY_MS }
  const doubt = (sent?.uncertaintyMs ?? 0) + (received?.uncertaintyMs ?? 0)
  return {
    startInMs: Math.min(MAX_START_MS, travelled + doubt + MARGIN_MS),
    secondAfterMs: Math.min(MAX_SECOND_MS, Math.max(LEAST_SECOND_MS, travelled + doubt))
  }
}

/**
 * How long the side that got the answer still waits: by the clocks where both are synchronised, otherwise by half of what the messages
 * were on their way together. Never negative, never more than the start that the answer names.
 */
export function waitForStart(
  { startInMs, heldMs, sent }: { readonly startInMs: number; readonly heldMs: number; readonly sent: ClockReading | undefined },
  received: ClockReading | undefined,
  elapsedMs: number
): number {
  const travelled = travelTime(sent, received) ?? Math.max(0, elapsedMs - heldMs) / 2
  return Math.max(0, Math.min(startInMs, startInMs - travelled))
}

/** Milliseconds a message was on its way; undefined when a clock is missing, too uncertain or implausible. */
function travelTime(sent: ClockReading | undefined, received: ClockReading | undefined): number | undefined {
  if (sent === undefined || received === undefined) return undefined
  if (sent.uncertaintyMs + received.uncertaintyMs > USABLE_UNCERTAINTY_MS) return undefined
  const travelled = received.at - sent.at
  if (travelled < -(sent.uncertaintyMs + received.uncertaintyMs) || travelled > PLAUSIBLE_DELAY_MS) return undefined
  return Math.max(0, travelled)
}
