// Runs the kithmesh program as a person would: real processes, their output read as they write it.
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Database } from '@kithmesh/database'
import { eventually } from '../../support/eventually.mjs'
import { noteProcess } from '../../../tools/lib/processes.mjs'

// KITHMESH_PROGRAM names another kithmesh to try, such as an installed one.
export const program = process.env.KITHMESH_PROGRAM ?? fileURLToPath(new URL('../../../packages/cli/bin/kithmesh.js', import.meta.url))

/** How long anything may take that is waited for. */
const PATIENCE_MS = 60_000

const running = new Set()
let directories = []

/** A directory of its own, removed by `cleanUp`. */
export function temporaryDirectory() {
  const path = mkdtempSync(join(tmpdir(), 'kithmesh-e2e-'))
  directories.push(path)
  return path
}

/** A group that nobody else on this machine uses. */
export function newGroup() {
  return `e2e-${randomBytes(6).toString('hex')}`
}

/** A name that no other program on this machine publishes: of two with one name, the later is renamed. */
export function uniqueName(base) {
  return `${base}-${randomBytes(4).toString('hex')}`
}

/** Ends what still runs. */
export async function stopAll() {
  await Promise.all([...running].map((one) => one.kill()))
}

/** For afterEach: ends what still runs and removes the directories. */
export async function cleanUp() {
  await stopAll()
  for (const path of directories) rmSync(path, { recursive: true, force: true })
  directories = []
}

function jsonLines(text) {
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))
}

/**
 * Starts a command, of `file` where that is given instead of kithmesh. `host` is a network namespace to run in, `uid` a user, `stdin` what
 * it reads; with `talk` it reads what `say` says.
 * The result has its `pid`, `out` and `err` so far, `events` (stdout as JSON lines), `until`, `say`, `stop`, `kill` and `ended`.
 */
export function start(args, { file = program, host, uid, stdin, talk = false } = {}) {
  const words = [process.execPath, file, ...args.map(String)]
  const [command, ...rest] = host === undefined ? words : ['ip', 'netns', 'exec', host, ...words]
  const child = spawn(command, rest, { stdio: ['pipe', 'pipe', 'pipe'], ...(uid === undefined ? {} : { uid, gid: uid }) })
  const title = file === program ? 'kithmesh' : basename(file)
  noteProcess(child, `${title} ${args.join(' ')}`)
  child.stdin.on('error', () => {}) // It may end before it has read all.
  if (!talk) child.stdin.end(stdin)
  let out = ''
  let err = ''
  const events = []
  let parsed = 0
  let waiting = []
  const wake = () => {
    for (const each of waiting) each()
    waiting = []
  }
  child.stdout.setEncoding('utf8').on('data', (text) => {
    out += text
    wake()
  })
  child.stderr.setEncoding('utf8').on('data', (text) => {
    err += text
    wake()
  })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(self)
      self.over = true
      resolve(code ?? signal)
      wake()
    })
  })
  const name = `${title} ${args[0]}`
  const self = {
    over: false,
    ended,
    pid: child.pid,
    get out() {
      return out
    },
    get err() {
      return err
    },
    get events() {
      const end = out.lastIndexOf('\n') + 1
      if (end > parsed) events.push(...jsonLines(out.slice(parsed, end)))
      parsed = Math.max(parsed, end)
      return events
    },
    /** Resolves with what `find` finds, once it does; rejects when the command ends or nothing is found in time. */
    async until(find, what) {
      const deadline = Date.now() + PATIENCE_MS
      for (;;) {
        const found = find(self)
        if (found !== undefined && found !== false) return found
        const left = deadline - Date.now()
        if (self.over || left <= 0)
          throw new Error(`${name} ${self.over ? 'ended' : 'went on'} without: ${what}\nstdout: ${out}\nstderr: ${err}`)
        await new Promise((resolve) => {
          const timer = setTimeout(resolve, left)
          waiting.push(() => {
            clearTimeout(timer)
            resolve()
          })
        })
      }
    },
    /** The first event, now or later, for which `passes` holds. */
    event(passes, what) {
      return self.until(({ events }) => events.find(passes), what)
    },
    /** A line of input. */
    say(text) {
      child.stdin.write(`${text}\n`)
    },
    /** As Ctrl-C; resolves with the exit code. */
    async stop() {
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), PATIENCE_MS)
      try {
        return await ended
      } finally {
        clearTimeout(timer)
      }
    },
    /** As a power cut. */
    async kill() {
      child.kill('SIGKILL')
      return await ended
    }
  }
  running.add(self)
  return self
}

/** Runs a command to its end: `{ code, out, err, lines }`. */
export async function run(args, options = {}) {
  const command = start(args, options)
  const timer = setTimeout(() => command.kill(), options.timeoutMs ?? PATIENCE_MS)
  const code = await command.ended
  clearTimeout(timer)
  return {
    code,
    out: command.out,
    err: command.err,
    get lines() {
      return jsonLines(command.out)
    }
  }
}

/** Runs a command that has to succeed; its stdout. */
export async function done(args, options) {
  const { code, out, err } = await run(args, options)
  if (code !== 0) throw new Error(`kithmesh ${args.join(' ')} ended with ${code}: ${err}`)
  return out
}

/** Looks into a database from a process of its own, this one. */
export async function look(directory, use) {
  const database = await Database.open(directory, { createIfMissing: false, watch: false })
  try {
    return await use(database)
  } finally {
    await database.close()
  }
}

/** Waits until a document of a directory is as `passes` wants it; `undefined` stands for one that is not there. */
export async function documentBecomes(directory, id, passes, what = `${id} in ${directory}`) {
  await look(directory, (database) => eventually(what, () => passes(database.collection().get(id)?.body)))
}
