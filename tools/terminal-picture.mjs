// Turns what a terminal showed, with its colours, into a picture for the README:
//   tmux capture-pane -e -p | node tools/terminal-picture.mjs 'What it shows' > docs/images/NAME.svg
import { readFileSync } from 'node:fs'

const cell = { width: 8.4, height: 19 }
const margin = 18
const palette = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341', 34: '#79c0ff', 35: '#d2a8ff', 36: '#56d4dd' }

/** One line as runs of text with one look each. */
function runsOf(line, look) {
  const runs = []
  let column = 0
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    const codes = /^\u001b\[([0-9;]*)m$/.exec(part)
    if (codes !== null) {
      for (const code of (codes[1] || '0').split(';').map(Number)) {
        if (code === 0) Object.assign(look, { bold: false, dim: false, colour: undefined, ground: undefined })
        else if (code === 1) look.bold = true
        else if (code === 2) look.dim = true
        else if (code === 22) Object.assign(look, { bold: false, dim: false })
        else if (code === 30) look.colour = '#0d1117'
        else if (code === 39) look.colour = undefined
        else if (code === 43) look.ground = '#e3b341'
        else if (code === 49) look.ground = undefined
        else if (palette[code] !== undefined) look.colour = palette[code]
      }
      continue
    }
    if (part !== '') runs.push({ column, text: part, ...look })
    column += [...part].length
  }
  return { runs, columns: column }
}

const escapeXml = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
const look = { bold: false, dim: false, colour: undefined, ground: undefined }
const lines = readFileSync(0, 'utf8')
  .replace(/\s+$/, '')
  .split('\n')
  .map((line) => runsOf(line, look))
const columns = Math.max(...lines.map((line) => line.columns))
const width = Math.ceil(columns * cell.width + 2 * margin)
const height = Math.ceil(lines.length * cell.height + 2 * margin)
const shapes = lines.flatMap(({ runs }, row) =>
  runs.flatMap((run) => {
    const x = margin + run.column * cell.width
    const y = margin + row * cell.height
    const length = [...run.text].length * cell.width
    const ground =
      run.ground === undefined
        ? []
        : [`<rect x="${x.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="${cell.height}" fill="${run.ground}"/>`]
    if (run.text.trim() === '') return ground
    const weight = run.bold ? ' font-weight="bold"' : ''
    const fill = run.colour ?? (run.dim ? '#8b949e' : '#e6edf3')
    return [
      ...ground,
      `<text x="${x.toFixed(1)}" y="${(y + 14).toFixed(1)}" textLength="${length.toFixed(1)}" fill="${fill}"${weight} xml:space="preserve">${escapeXml(run.text)}</text>`
    ]
  })
)
process.stdout.write(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="14">
<title>${escapeXml(process.argv[2] ?? 'A terminal')}</title>
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
${shapes.join('\n')}
</svg>
`)
