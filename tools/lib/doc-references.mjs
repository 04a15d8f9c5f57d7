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
