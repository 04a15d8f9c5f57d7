// Finds the TypeScript examples in Markdown and in the comment that opens an entry file. Pure.

/**
 * All fenced blocks of a Markdown text, in order: `{ line, language, info, code, marker }`. `line` is the number of the first line of code, from 1,
 * `info` what stands behind the language, `marker` the text of a comment (`<!-- … -->`) alone on the line above the fence.
 */
export function fencedBlocks(text) {
  const blocks = []
  let open
  let above = ''
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line)
    if (open === undefined && fence !== null) {
      const [, indent, mark, info] = fence
      const marker = /^\s*<!--\s*(.*?)\s*-->\s*$/.exec(above)?.[1]
      open = { indent: indent.length, mark, info: info.trim(), marker, line: index + 2, lines: [] }
    } else if (open !== undefined && fence?.[2].startsWith(open.mark) && fence[3].trim() === '') {
      const [language, ...rest] = open.info.split(/\s+/)
      blocks.push({ line: open.line, language, info: rest.join(' '), code: open.lines.join('\n'), marker: open.marker })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    }
    above = line
  }
  return blocks
}

/**
 * The ```ts blocks of a Markdown text that are modules of their own: `{ line, code, info }`. Those marked as a file of a whole
 * (`<!-- file: … -->`, see page-project.mjs) are compiled with that.
 */
export function markdownBlocks(text) {
  return fencedBlocks(text)
    .filter(({ language, marker }) => (language === 'ts' || language === 'typescript') && !marker?.startsWith('file:'))
    .map(({ line, code, info }) => ({ line, code, info }))
}

/** The ```ts blocks of the comment with `@packageDocumentation` in a TypeScript file, in the same form. */
export function packageDocumentationBlocks(text) {
  for (const match of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    if (!match[0].includes('@packageDocumentation')) continue
    const above = text.slice(0, match.index).split('\n').length - 1
    const plain = match[0]
      .split('\n')
      .map((line) => line.replace(/^\s*\/?\*+\/?[ \t]?/, ''))
      .join('\n')
    return markdownBlocks(plain).map((block) => ({ ...block, line: block.line + above }))
  }
  return []
}
