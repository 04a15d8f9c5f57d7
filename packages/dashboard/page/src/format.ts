// Numbers, times and foreign text as the page shows them. No DOM.

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })

/** A count for people: `12,345`, from a million on `1.2 M`. */
export function formatCount(value: number): string {
  if (value < 1e6) return grouped.format(value)
  return value < 1e9 ? `${(value / 1e6).toFixed(1)} M` : `${(value / 1e9).toFixed(1)} G`
}

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB']

/** Bytes with a decimal unit: `812 B`, `1.2 kB`, `48 MB`. */
export function formatBytes(value: number): string {
  let rest = value
  let unit = 0
  // What would be rounded up to 1000 belongs to the next unit.
  while (rest >= 999.5 && unit < units.length - 1) {
    rest /= 1000
    unit++
  }
  return `${unit === 0 || rest >= 99.5 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`
}

/** Documents per second: `0`, `0.4`, `12`, `1,200`. */
export function formatRate(value: number): string {
  if (value === 0) return '0'
  if (value < 0.1) return '< 0.1'
  return value < 10 ? value.toFixed(1) : formatCount(Math.round(value))
}

/** A time span: `now`, `12 s`, `3 min`, `5 h`, `2 d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 1) return 'now'
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} d`
}

/** As {@link formatSpan}, as a point in the past: `just now`, `12 s ago`. */
export function formatAgo(ms: number): string {
  const span = formatSpan(ms)
  return span === 'now' ? 'just now' : `${span} ago`
}

/** Milliseconds that something took: `8 ms`, `1.4 s`. */
export function formatDuration(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : formatSpan(ms)
}

/** The time of day where the page is shown, `14:03:22`. */
export function formatTime(at: number): string {
  const date = new Date(at)
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

/** The first digits of a peer id, enough to tell devices apart; other ids as they are, cut. */
export function shortId(id: string): string {
  return /^[0-9a-f]{16,}$/.test(id) ? id.slice(0, 8) : printable(id, 24)
}

/** Control characters, line ends, and marks that turn the direction of the text around them (Unicode UAX #9): they could pass for something else. */
// biome-ignore lint/complexity/useRegexLiterals: as a literal, the characters themselves would be in this file.
const disguising = new RegExp('[\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u2069\\ufeff]', 'g')

/** Text that others chose, as one line of at most `length` characters in which nothing is hidden. */
export function printable(text: string, length = 200): string {
  const line = text.slice(0, length * 2).replaceAll(disguising, '·')
  const characters = [...line]
  return characters.length > length || text.length > length * 2 ? `${characters.slice(0, length - 1).join('')}…` : line
}

/** A device's name for people; its id where it has none. */
export function deviceName(name: string | null, id: string): string {
  const shown = name === null ? '' : printable(name, 60).trim()
  return shown === '' ? shortId(id) : shown
}

/** One letter that stands for a device in the graph. */
export function initialOf(name: string): string {
  const letter = [...name].find((character) => /[\p{L}\p{N}]/u.test(character))
  return letter === undefined ? '?' : letter.toUpperCase()
}

/** `1 device`, `2 devices`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}
