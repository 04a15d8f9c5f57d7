// The outcome of a matrix for people: text for a terminal, Markdown for the README. Pure.

const strategyText = ({ strategies, connected }) => {
  const names = Object.entries(strategies).sort(([, one], [, other]) => other - one)
  return names.map(([name, count]) => (count === connected ? name : `${name} ${count}`)).join(', ')
}

/** One line for each pair. */
export function textTable(pairs) {
  const rows = [
    ['a', 'b', 'connected', 'by', 'median', 'worst'],
    ...pairs.map((pair) => [
      pair.a,
      pair.b,
      `${pair.connected}/${pair.runs}`,
      strategyText(pair) || '-',
      pair.medianMs === null ? '-' : `${pair.medianMs} ms`,
      pair.worstMs === null ? '-' : `${pair.worstMs} ms`
    ])
  ]
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows
    .flatMap((row, index) => {
      const line = row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd()
      const reason = pairs[index - 1]?.reason
      return reason === null || reason === undefined ? [line] : [line, `    ${reason}`]
    })
    .join('\n')
}

const shortNames = { 'tcp-hole-punch': 'punch', turn: 'relay' }

/** The triangle of kinds against kinds; what did not always connect is in bold. */
export function markdownTable(pairs) {
  const kinds = [...new Set(pairs.flatMap(({ a, b }) => [a, b]))]
  const cell = (a, b) => {
    const pair = pairs.find((each) => each.a === a && each.b === b)
    if (pair === undefined) return ''
    const names = Object.entries(pair.strategies)
      .sort(([, one], [, other]) => other - one)
      .map(([name]) => shortNames[name] ?? name)
    const rate = `${pair.connected}/${pair.runs}`
    const text = pair.connected === 0 ? rate : `${names.join(', ')} ${pair.medianMs} ms${pair.connected === pair.runs ? '' : ` ${rate}`}`
    return pair.connected === pair.runs ? text : `**${text}**`
  }
  const head = `| | ${kinds.join(' | ')} |`
  const rule = `|---|${kinds.map(() => '---').join('|')}|`
  return [head, rule, ...kinds.map((a) => `| ${a} | ${kinds.map((b) => cell(a, b)).join(' | ')} |`)].join('\n')
}
