// Pages whose blocks belong together: they are written into a folder, compiled as one project, and what the page says to run is run there.
// Marks are comments alone on the line above a block, or on a line of their own:
//
//   <!-- project: examples/x -->   the page is about this folder: its files are there from the beginning, and a block that shows one must be equal to it
//   <!-- file: src/x.ts -->        above any block: the block is this file
//   <!-- run -->                   above a ```sh block: its lines are run in the folder, one shell, ended by the first that fails
//   <!-- run with registry -->     the same, where the packages can be installed as users do (tests/e2e/plugin-kit)
//   <!-- output -->                above a block behind one that is run: what that printed; … stands for any text, a line of … for any lines
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { fencedBlocks } from './code-blocks.mjs'

/** How long one block may run. */
const RUN_MS = 180_000

/**
 * What a page says to be done, or undefined when it has no file and nothing to run: `{ project, steps }`. A step is `{ is: 'file', path, code, line }` or
 * `{ is: 'run', code, line, registry, output? }`. Pure.
 * @throws Error naming the line of a mark that makes no sense
 */
export function pageProject(text) {
  const project = /^<!--\s*project:\s*(\S+)\s*-->$/m.exec(text)?.[1]
  const steps = []
  for (const { line, language, code, marker } of fencedBlocks(text)) {
    const bad = (why) => new Error(`line ${line - 2}: ${why}`)
    if (marker === undefined) continue
    const file = /^file:\s*(.*)$/.exec(marker)?.[1]
    const last = steps.at(-1)
    if (file !== undefined) {
      if (!/^[\w.@-][\w./@-]*$/.test(file) || normalize(file) !== file || file.startsWith('..'))
        throw bad(`"${file}" is no path inside the folder`)
      steps.push({ is: 'file', path: file, code: `${code}\n`, line })
    } else if (marker === 'run' || marker === 'run with registry') {
      if (language !== 'sh') throw bad('only sh blocks are run')
      steps.push({ is: 'run', code, line, registry: marker !== 'run' })
    } else if (marker === 'output') {
      if (last?.is !== 'run' || last.output !== undefined) throw bad('an output stands behind the block that is run')
      last.output = code
    }
  }
  return steps.length === 0 && project === undefined ? undefined : { project, steps }
}

/** Whether what was printed is what the page shows; blanks at the ends of lines and of the whole do not count. Pure. */
export function matchesOutput(expected, printed) {
  const lines = (text) => text.trim().split(/\s*\n/)
  const literal = (part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const pattern = lines(expected)
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `${line.split('…').map(literal).join('.*')}\\n`))
    .join('')
  return new RegExp(`^${pattern}$`).test(`${lines(printed).join('\n')}\n`)
}

/** One line for each block that shows a file of the page's project in another form than it has. */
export function differences(page, { project, steps }, root) {
  if (project === undefined) return []
  return steps.flatMap(({ is, path, code, line }) => {
    if (is !== 'file') return []
    const file = join(root, project, path)
    if (!existsSync(file)) return [`${page}:${line}: there is no ${project}/${path}`]
    return readFileSync(file, 'utf8') === code ? [] : [`${page}:${line}: differs from ${project}/${path}`]
  })
}

/** The page with the blocks that show files of its project as those are now. Pure but for `read(path)`. */
export function updatedPage(text, read) {
  const pattern = /^(<!--\s*file:\s*(\S+)\s*-->\n(`{3,})[^\n]*\n)[\s\S]*?^\3$/gm
  return text.replace(pattern, (_, opening, path, fence) => `${opening}${read(path)}${fence}`)
}

/** Runs shell lines with a time limit; everything they started ends with them. Gives back the exit code and all that was printed. */
function runShell(code, { cwd, env, timeoutMs }) {
  return new Promise((resolve) => {
    const child = spawn('sh', ['-e'], { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] })
    let text = ''
    let late = false
    const end = () => {
      try {
        process.kill(-child.pid, 'SIGKILL')
      } catch {
        // All of them have ended.
      }
    }
    const timer = setTimeout(() => {
      late = true
      end()
    }, timeoutMs)
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', (chunk) => {
        text = (text + chunk).slice(-1_000_000)
      })
    }
    child.on('exit', end)
    child.on('close', (exitCode, signal) => {
      clearTimeout(timer)
      if (late) text += `\nnot done within ${timeoutMs / 1000} s\n`
      resolve({ code: exitCode ?? signal, text })
    })
    child.stdin.on('error', () => {})
    child.stdin.end(`${code}\n`)
  })
}

/**
 * Does what a page says, in a folder that is emptied before. `prepare(folder)` is called when the first files are there, to install what they import.
 * Blocks that need a registry are left out without one.
 * @returns {Promise<{ ran: number, problems: string[] }>} one text for each thing that went wrong; nothing is done after the first
 */
export async function playPage(page, { project, steps }, { root, folder, env = {}, registry = false, prepare = async () => {} }) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const inFolder = (path) => join(folder, path)
  const write = ({ path, code }) => {
    mkdirSync(dirname(inFolder(path)), { recursive: true })
    writeFileSync(inFolder(path), code)
  }
  if (project !== undefined) {
    const left = ['node_modules', 'dist', 'package-lock.json']
    cpSync(join(root, project), folder, { recursive: true, filter: (source) => !left.includes(basename(source)) })
  }
  let prepared = false
  let ran = 0
  for (const step of steps) {
    if (step.is === 'file') {
      write(step)
      continue
    }
    if (step.registry && !registry) continue
    if (!prepared) await prepare(folder)
    prepared = true
    const { code, text } = await runShell(step.code, {
      cwd: folder,
      env: { ...process.env, NO_COLOR: '1', CI: 'true', npm_config_update_notifier: 'false', ...env },
      timeoutMs: RUN_MS
    })
    ran++
    const printed = text.replace(/^npm (warn|notice) .*\n?/gm, '')
    if (code !== 0) return { ran, problems: [`${page}:${step.line}: ended with ${code}\n${text}`] }
    if (step.output !== undefined && !matchesOutput(step.output, printed))
      return { ran, problems: [`${page}:${step.line}: it printed something else than the page shows:\n${printed}`] }
  }
  return { ran, problems: [] }
}
