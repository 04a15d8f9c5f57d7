import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Job, Message } from './messages.ts'

const MAX_TEXT = 4000
/** Time for Node to start in, on a machine with much else to do. */
const START_MS = 20_000

export interface RunChildOptions {
  readonly signal: AbortSignal | undefined
  /** Milliseconds without a sign of life after which the process is taken for stuck. */
  readonly silenceMs: number
  /** Milliseconds that a process may take to end once its job is done. */
  readonly endMs: number
  readonly onMessage: (message: Message) => void
}

/** How a process ended. */
export interface ChildEnd {
  /** The job was done or refused before. */
  readonly finished: boolean
  /** `silent`: its event loop was blocked; `lingering`: something kept it alive; both were killed. */
  readonly how: 'exit' | 'silent' | 'lingering' | 'aborted'
  readonly code: number | null
  readonly killedBy: NodeJS.Signals | null
  /** What it wrote past the watched functions, and to standard error; the end of it. */
  readonly stdout: string
  readonly stderr: string
}

/** Does a job in a process of its own and resolves when that is gone, by itself or killed. Never rejects for what a plugin does. */
export function runChild(job: Job, { signal, silenceMs, endMs, onMessage }: RunChildOptions): Promise<ChildEnd> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(new URL('child.js', import.meta.url)), [], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'json',
      execArgv: []
    })
    let how: ChildEnd['how'] = 'exit'
    let finished = false
    let deadline: NodeJS.Timeout | undefined
    const killAfter = (ms: number, as: ChildEnd['how']): void => {
      clearTimeout(deadline)
      deadline = setTimeout(() => {
        how = as
        child.kill('SIGKILL')
      }, ms)
    }
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (piece: string) => {
        text[name] = (text[name] + piece).slice(-MAX_TEXT)
      })
    }
    const onAbort = (): void => {
      how = 'aborted'
      child.kill('SIGKILL')
    }
    child.on('message', (value) => {
      const message = value as Message
      if (message.type === 'finished' || message.type === 'refused') {
        finished = true
        killAfter(endMs, 'lingering')
      } else if (!finished) killAfter(silenceMs, 'silent')
      if (message.type !== 'alive') onMessage(message)
    })
    const settle = (finish: () => void): void => {
      clearTimeout(deadline)
      signal?.removeEventListener('abort', onAbort)
      finish()
    }
    child.on('error', (error) => {
      settle(() => {
        reject(error)
      })
    })
    child.on('close', (code, killedBy) => {
      settle(() => {
        resolve({ finished, how, code, killedBy, ...text })
      })
    })
    killAfter(Math.max(silenceMs, START_MS), 'silent')
    if (signal?.aborted === true) onAbort()
    signal?.addEventListener('abort', onAbort, { once: true })
    child.send(job, (error) => {
      // A process that is gone already says so by `close`.
      if (error !== null) child.kill('SIGKILL')
    })
  })
}

/** Why a process that did not finish its job is gone, for the report. */
export function howItEnded(end: ChildEnd): string {
  const tail = end.stderr.trim() === '' ? '' : `; it had written to standard error:\n${end.stderr.trim()}`
  if (end.how === 'silent') return `the process was stuck: nothing ran in it any more, and it was killed${tail}`
  if (end.killedBy !== null) return `the process was ended by ${end.killedBy}${tail}`
  return `the process ended with exit code ${end.code}${tail}`
}
