// A source file has one idea and at most about 300 lines; one that is longer says why it is one file: `One file because …` in a comment.
// `node tools/check-file-length.mjs`: one line for each that does not, and exit code 1 when there is any.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './lib/run.mjs'
import { packageFolders } from './lib/specs.mjs'

const MOST_LINES = 300

function* sources(folder) {
  if (!existsSync(folder)) return
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile() && /\.[cm]?[jt]s$/.test(entry.name)) yield join(entry.parentPath, entry.name)
}

/** Whether a comment gives the reason, on one line or over several. */
function saysWhy(text) {
  return /(?:\/\/|\*).*\bone file because\b/i.test(text.replace(/\n\s*(?:\*|\/\/) ?/g, ' '))
}

/** Every long source of a package, or of its page, that gives no reason: `{ file, lines }`, longest first. */
export function unexplainedFiles(directory) {
  return packageFolders('packages', directory)
    .flatMap((folder) => [...sources(join(directory, folder, 'src')), ...sources(join(directory, folder, 'page', 'src'))])
    .map((path) => ({ path, text: readFileSync(path, 'utf8') }))
    .map(({ path, text }) => ({ file: relative(directory, path).split(sep).join('/'), text, lines: text.split('\n').length - 1 }))
    .filter(({ text, lines }) => lines > MOST_LINES && !saysWhy(text))
    .map(({ file, lines }) => ({ file, lines }))
    .sort((a, b) => b.lines - a.lines)
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const found = unexplainedFiles(resolve(process.argv[2] ?? root))
  for (const { file, lines } of found) console.error(`${file} has ${lines} lines, and no comment with "One file because …"`)
  console.log(found.length === 0 ? `files of more than ${MOST_LINES} lines say why` : `${found.length} long files without a reason`)
  process.exitCode = found.length === 0 ? 0 : 1
}
