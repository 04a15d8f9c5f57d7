import { Stage } from './stage.mjs'
import { line } from './statistics.mjs'

export const say = (text) => {
  process.stderr.write(`${text}\n`)
}

/** The value of an option as a whole number above zero, or the end of the program. */
export function count(values, name, fallback) {
  const number = Number(values[name] ?? fallback)
  if (!Number.isSafeInteger(number) || number < 1) throw new Error(`--${name} is a whole number above zero`)
  return number
}

/** The rows that `--rows` names, or all of `usual`. @throws Error with the usage for one that there is not */
export function chosen(values, rows, usage, usual = Object.keys(rows)) {
  const wanted = values.rows?.split(',') ?? usual
  const unknown = wanted.find((row) => !Object.hasOwn(rows, row))
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"\n${usage}`)
  return wanted
}

/** Measures row after row, each with processes of its own, says the figures and how many goals were reached; the figures by row. */
export async function runRows(rows, wanted, values, options) {
  const results = {}
  for (const row of wanted) {
    const stage = new Stage(values['node-options'].split(' ').filter((option) => option !== ''))
    say(row)
    try {
      results[row] = await rows[row]({ ...options, say, stage })
    } finally {
      await stage.end()
    }
    for (const figure of results[row]) say(line(figure))
  }
  const goals = Object.values(results)
    .flat()
    .filter(({ goal }) => goal !== undefined)
  say(`${goals.filter(({ ok }) => ok).length} of ${goals.length} goals reached`)
  return results
}
