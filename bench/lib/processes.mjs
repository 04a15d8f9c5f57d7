import { fork } from 'node:child_process'
import { once } from 'node:events'

/** A helper process that answers one request at a time: `ask({ do, … })` resolves with what its handler returned. */
export class Helper {
  #child
  #waiting = new Map()
  #number = 0
  onEvent = () => {}

  constructor(file) {
    this.#child = fork(file, [], {
      ...(process.env.PROFILE === undefined ? {} : { execArgv: ['--cpu-prof', '--cpu-prof-dir=' + process.env.PROFILE] }),
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced'
    })
    this.#child.on('message', (message) => {
      if (message.event !== undefined) {
        this.onEvent(message)
        return
      }
      const waiting = this.#waiting.get(message.number)
      this.#waiting.delete(message.number)
      if (message.error === undefined) waiting.resolve(message.result)
      else waiting.reject(new Error(message.error))
    })
    this.#child.on('exit', (code, signal) => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error(`the helper ${file} ended: ${signal ?? code}`))
    })
  }

  ask(request) {
    const number = ++this.#number
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      this.#child.send({ number, ...request })
    })
  }

  async stop() {
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

/** Wall-clock milliseconds with fractions, comparable between processes of one machine. */
export const preciseNow = () => performance.timeOrigin + performance.now()

/** Peak resident memory of this process in megabytes. */
export const peakRssMegabytes = () => Math.round(process.resourceUsage().maxRSS / 1024)
