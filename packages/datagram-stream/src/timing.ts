/** How often what begins and ends an association is repeated, and for how long. */
export const OPEN_EVERY_MS = 50
export const OPEN_EVERY_AT_MOST_MS = 500
export const RESETS = 6
export const RESET_EVERY_MS = 100
/** When nothing ever came, the other side hardly hears either. */
export const RESETS_UNHEARD = 2
export const REPEAT_EVERY_MS = 250
/** Longer than two time-outs of the other side. */
export const LINGER_MS = 4_500
export const LINGER_AFTER_RESET_MS = 1_000
/** However much still comes: a side that goes on talking keeps nothing open. */
export const LINGER_AT_MOST_MS = 3 * LINGER_MS
