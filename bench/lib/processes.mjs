import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** A helper process that answers one request at a time: `ask({ do, … })` resolves with what its handler returned. */
export class Helper {
  #child
  #waiting = new Map()
  #number = 0
  #stopping = false

  /** @param onDeath called when the process ends without being told to. */
  constructor(file, execArgv = [], onDeath = () => {}) {
    this.#child = fork(file, [], { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' })
    this.#child.on('message', (message) => {
      const waiting = this.#waiting.get(message.number)
      this.#waiting.delete(message.number)
      if (message.error === undefined) waiting.resolve(message.result)
      else waiting.reject(new Error(message.error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`the helper ${file} ended: ${signal ?? code}`))
      this.#waiting.clear()
      if (!this.#stopping) onDeath()
    })
  }

  ask(request) {
    const number = ++this.#number
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#child.send({ number, ...request })
    })
  }

  kill() {
    this.#child.kill()
  }

  async stop() {
    this.#stopping = true
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.send({ do: 'exit' })
    await exited
  }
}

/** The other side: answers with what `handlers[do]` returns. */
export function answer(handlers) {
  process.on('message', (message) => {
    if (message.do === 'exit') process.exit(0)
    Promise.resolve()
      .then(() => handlers[message.do](message))
      .then(
        (result) => process.send({ number: message.number, result }),
        (error) => process.send({ number: message.number, error: error.stack ?? String(error) })
      )
  })
}

/** Milliseconds with fractions on a clock that all processes of a machine share. */
export const preciseNow = () => Number(process.hrtime.bigint()) / 1e6

/** Peak resident memory of this process in megabytes: since it began to run its own program, where the system tells. */
export function peakRssMegabytes() {
  let kilobytes = process.resourceUsage().maxRSS
  try {
    kilobytes = Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? kilobytes)
  } catch {
    /* another system */
  }
  return Math.round(kilobytes / 1024)
}

/** What `work` took: milliseconds, and of this process's processor time. */
export async function timed(work) {
  const cpu = process.cpuUsage()
  const startedAt = performance.now()
  const result = await work()
  const ms = performance.now() - startedAt
  const { user, system } = process.cpuUsage(cpu)
  return { ms, cpuMs: (user + system) / 1000, result }
}
