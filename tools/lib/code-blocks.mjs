// Finds the TypeScript examples in Markdown and in the comment that opens an entry file. Pure.

/**
 * The ```ts blocks of a Markdown text: `{ line, code, info }`, `line` being the number of the first line of code, from 1.
 * `info` is what stands behind `ts` on the opening line.
 */
export function markdownBlocks(text) {
  const blocks = []
  let open
  for (const [index, line] of text.split('\n').entries()) {
    const fence = /^(\s*)(`{3,}|~{3,})(.*)$/.exec(line)
    if (open === undefined && fence !== null) {
      const [, indent, mark, info] = fence
      open = { indent: indent.length, mark, info: info.trim(), line: index + 2, lines: [] }
    } else if (open !== undefined && fence?.[2].startsWith(open.mark) && fence[3].trim() === '') {
      const [language, ...rest] = open.info.split(/\s+/)
      if (language === 'ts' || language === 'typescript')
        blocks.push({ line: open.line, code: open.lines.join('\n'), info: rest.join(' ') })
      open = undefined
    } else if (open !== undefined) {
      open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    }
  }
  return blocks
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
