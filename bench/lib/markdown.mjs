// The figures of a bench as Markdown, and their place in docs/performance: between `<!-- figures: NAME -->` and `<!-- end of figures -->`.
import { readFileSync, writeFileSync } from 'node:fs'
import { factsLine } from './run-facts.mjs'
import { judgement } from './statistics.mjs'

/** What a bench printed as JSON, with what was measured how above it. */
export function markdown(run, result) {
  return `${factsLine(run)}:\n\n${result.sides === undefined ? figuresTable(allFigures(result)) : partsTable(result.sides)}\n`
}

/** Puts Markdown into its place of a page. @throws Error when there is none */
export function writeInto(path, name, text) {
  const page = readFileSync(path, 'utf8')
  const place = new RegExp(`(<!-- figures: ${name} -->\\n)[\\s\\S]*?(\\n<!-- end of figures -->)`)
  if (!place.test(page)) throw new Error(`${path} has no place for the figures of ${name}`)
  writeFileSync(
    path,
    page.replace(place, (_all, begin, end) => `${begin}\n${text}${end}`)
  )
}

function allFigures({ rows, figures }) {
  if (figures !== undefined) return figures
  const several = Object.keys(rows).length > 1
  // What is said of each of several rows needs the name of its row; elsewhere names are told apart by themselves.
  const names = Object.values(rows).flatMap((list) => list.map(({ name }) => name))
  return Object.entries(rows).flatMap(([row, list]) =>
    list.map((figure) =>
      several && names.indexOf(figure.name) !== names.lastIndexOf(figure.name) ? { ...figure, name: `${row}: ${figure.name}` } : figure
    )
  )
}

function figuresTable(figures) {
  const number = (value, digits) => value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
  const rows = figures.map(({ name, unit, median, min, max, rounds, digits, ...judged }) => {
    const spread = rounds > 1 ? ` (${number(min, digits)}–${number(max, digits)})` : ''
    return `| ${name} | ${`${number(median, digits)}${spread} ${unit}`.trim()} | ${judgement(judged, '**missed**')} |`
  })
  return ['| figure | median (min–max) | goal |', '|---|---:|---|', ...rows].join('\n')
}

/** Shares of parts, a column for each side of a profile. */
function partsTable(sides) {
  const names = Object.keys(sides)
  const parts = [...new Set(Object.values(sides).flatMap((list) => list.map(({ part }) => part)))]
  const share = (side, part) => {
    const found = sides[side].find((each) => each.part === part)
    return found === undefined ? '–' : `${Math.round(found.share * 100)} %`
  }
  return [
    `| part | ${names.join(' | ')} |`,
    `|---|${names.map(() => '---:|').join('')}`,
    ...parts.map((part) => `| ${part} | ${names.map((side) => share(side, part)).join(' | ')} |`)
  ].join('\n')
}
