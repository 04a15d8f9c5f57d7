/** The middle of a list, the upper one of two. */
export const median = (list) => sorted(list)[Math.floor(list.length / 2)]

/** The value that `share` of the list does not exceed. */
export const percentile = (list, share) => sorted(list)[Math.max(0, Math.ceil(list.length * share) - 1)]

export const round = (value, digits = 0) => Number(value.toFixed(digits))

const sorted = (list) => [...list].sort((a, b) => a - b)

/**
 * One line of the result: a sample per round, and what it has to reach.
 * @param goal `{ atLeast }` or `{ atMost }` a number in the figure's unit; with `{ of, name }` (the samples of another figure of the same
 *   rounds) that share of its median. Without a goal the figure is for information.
 * @param beside `{ of, name }` instead of a goal: the ratio is told and not judged.
 */
export function figure(name, unit, samples, { digits = 0, goal, beside } = {}) {
  const value = median(samples)
  const result = {
    name,
    unit,
    median: round(value, digits),
    min: round(Math.min(...samples), digits),
    max: round(Math.max(...samples), digits),
    rounds: samples.length,
    digits
  }
  if (beside !== undefined) return { ...result, ratio: round(value / median(beside.of), 2), beside: beside.name }
  if (goal === undefined) return result
  const reference = goal.of === undefined ? 1 : median(goal.of)
  const limit = (goal.atLeast ?? goal.atMost) * reference
  const ok = goal.atLeast === undefined ? value <= limit : value >= limit
  const ratio = goal.of === undefined ? {} : { ratio: round(value / reference, 2) }
  return { ...result, ...ratio, goal: goalText(goal, unit), ok }
}

function goalText({ atLeast, atMost, of, name }, unit) {
  const sign = atLeast === undefined ? '≤' : '≥'
  const limit = atLeast ?? atMost
  return of === undefined ? `${sign} ${limit} ${unit}` : `${sign} ${round(limit * 100)} % of ${name}`
}

/** What is to be said of a figure's goal, or of its ratio to another one. */
export function judgement({ ratio, beside, goal, ok }, missed) {
  const share = ratio === undefined ? '' : `${round(ratio * 100)} %`
  if (goal === undefined) return share === '' ? '' : `${share} of ${beside}`
  return `${share === '' ? '' : `${share}, `}${goal}: ${ok ? 'ok' : missed}`
}

/** A figure as a line of text. */
export function line({ name, unit, median: middle, min, max, rounds, digits, ratio, beside, goal, ok }) {
  const number = (value) => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const spread = rounds > 1 ? ` (${number(min)}–${number(max)})` : ''
  const judged = judgement({ ratio, beside, goal, ok }, 'MISSED')
  return `  ${name.padEnd(42)} ${number(middle).padStart(9)}${spread} ${unit}${judged === '' ? '' : `   ${judged}`}`
}
