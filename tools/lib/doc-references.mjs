// Finds what a page of documentation refers to: files it names, pages and headings it links to. Pure.

const FOLDERS = /^(?:packages|docs|tools|tests|examples|bench|api|\.ci|\.changeset)\//
const SOURCE = /\.(?:ts|mjs)$/
/** Placeholders and patterns name no file. */
const PATTERN = /[<>*{}…$]|\.\.\./

/** The lines of a page outside of fenced code: `{ line, text }`, from 1. */
function proseLines(text) {
  let fence
  return text.split('\n').flatMap((line, index) => {
    const mark = /^\s*(`{3,}|~{3,})/.exec(line)?.[1]
    if (mark !== undefined && (fence === undefined || mark.startsWith(fence))) {
      fence = fence === undefined ? mark : undefined
      return []
    }
    return fence === undefined ? [{ line: index + 1, text: line }] : []
  })
}

/**
 * Files and folders named in code spans: `{ line, path, near }`. Paths with a folder of the repository in front are found anywhere, others
 * that end like a source in rows of tables, where `near` is the last path of that kind before it in the row: `push-answers.ts` may lie beside it or above.
 */
export function namedPaths(text) {
  return proseLines(text).flatMap(({ line, text: row }) => {
    const table = row.trimStart().startsWith('|')
    const paths = []
    for (const [, span] of row.matchAll(/`([^`]+)`/g)) {
      const path = span.replace(/^node /, '').split(' ')[0]
      if (PATTERN.test(path) || !(FOLDERS.test(path) || (table && SOURCE.test(path)))) continue
      paths.push({ line, path, near: paths.findLast(({ path: before }) => FOLDERS.test(before))?.path })
    }
    return paths
  })
}

/** Names of sources written in a drawing (SVG): `{ line, name }`. */
export function drawnSources(svg) {
  return svg
    .split('\n')
    .flatMap((row, index) =>
      [...row.matchAll(/<text\b[^>]*>([^<]*)/g)].flatMap(([, text]) =>
        [...text.matchAll(/[\w-]+\.(?:ts|mjs)\b/g)].map(([name]) => ({ line: index + 1, name }))
      )
    )
}

/** Links within the repository: `{ line, file, heading }`; an empty file is the page itself, `heading` the part after #, if any. */
export function localLinks(text) {
  return proseLines(text).flatMap(({ line, text: row }) =>
    [...row.replaceAll(/`[^`]*`/g, 'code').matchAll(/\]\(([^)\s]+)\)/g)]
      .filter(([, target]) => !/^[a-z]+:/i.test(target))
      .map(([, target]) => {
        const [file, heading] = target.split('#')
        return { line, file, heading }
      })
  )
}

/** The anchors of a page's headings, as code hosts make them. */
export function headingAnchors(text) {
  return new Set(
    proseLines(text)
      .map(({ text: row }) => /^#{1,6} (.+)$/.exec(row)?.[1])
      .filter((title) => title !== undefined)
      .map((title) =>
        title
          .trim()
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
          .replaceAll(' ', '-')
      )
  )
}

/** Schemes that a page may link to, and hosts only of the form that a browser takes. */
function wrongAddress(target) {
  const url = URL.canParse(target) ? new URL(target) : undefined
  if (url === undefined) return 'is no address'
  if (url.protocol === 'mailto:') return undefined
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return `has the scheme ${url.protocol}`
  return /^[a-z0-9-]+(\.[a-z0-9-]+)+$|^localhost$|^\[[0-9a-f:]+\]$/.test(url.hostname) ? undefined : 'names no host'
}

/** Links that are wrong as they are written, without following them, and those in a form that is not looked at here: `{ line, problem }`. */
export function malformedLinks(text) {
  return proseLines(text).flatMap(({ line, text: row }) => {
    const plain = row.replaceAll(/`[^`]*`/g, 'code')
    const problems = [...plain.matchAll(/\]\(([^)]*)\)/g)].flatMap(([, target]) => {
      if (target.trim() === '') return ['a link to nothing']
      if (/\s/.test(target)) return [`${target} has a space or a title; write the target only`]
      if (!/^[a-z]+:/i.test(target)) return []
      const wrong = wrongAddress(target)
      return wrong === undefined ? [] : [`${target} ${wrong}`]
    })
    if (/<(?:img|a)\s[^>]*(?:src|href)\s*=/i.test(plain))
      problems.push('a link or picture in HTML; write it in Markdown, where it is checked')
    if (/^\s{0,3}\[[^\]]+\]:\s*\S/.test(plain)) problems.push('a link by reference; write it where it stands, where it is checked')
    return problems.map((problem) => ({ line, problem }))
  })
}
