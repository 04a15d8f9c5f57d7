// A running bumble: requests to its standard input, answers and events from its standard output (src/witness.py).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { eventually } from '@kithmesh/testkit'
import { bumbleProgram } from './prepare.mjs'
import { noteProcess } from '../../../tools/lib/processes.mjs'

/** Bumble in a process of its own. Methods are those of the classes under src/: `await bumble.ask('read', { id, characteristic })`. */
export class Bumble {
  #process
  #exited
  #number = 0
  #waiting = new Map()
  #errors = ''
  /** All events so far, oldest first. */
  events = []

  constructor() {
    const { command, args, options } = bumbleProgram()
    this.#process = spawn(command, args, { ...options, stdio: 'pipe' })
    noteProcess(this.#process, 'bumble')
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-20_000)
    })
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      const { number, result, failure, code, ...event } = JSON.parse(line)
      if (number === undefined) this.events.push(event)
      else {
        const { resolve, reject, what } = this.#waiting.get(number)
        this.#waiting.delete(number)
        if (failure === undefined) resolve(result)
        else reject(Object.assign(new Error(`bumble failed (${what}): ${failure}`), { code: code ?? undefined }))
      }
    })
    this.#exited = once(this.#process, 'close').then(([code, signal]) => {
      for (const { reject, what } of this.#waiting.values())
        reject(new Error(`bumble ended with ${code ?? signal} (${what}): ${this.#errors}`))
      this.#waiting.clear()
    })
  }

  /** What it wrote of errors and warnings. */
  get errors() {
    return this.#errors
  }

  /** Resolves with the answer to one request. */
  async ask(what, request = {}) {
    const number = ++this.#number
    return await new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject, what: `${what} ${JSON.stringify(request).slice(0, 200)}` })
      this.#process.stdin.write(`${JSON.stringify({ ...request, number, do: what })}\n`)
    })
  }

  /** Resolves with the first event of the name, after the number of events given, that fits. */
  async event(name, fits = () => true, from = 0) {
    let found
    await eventually(`bumble's event ${name}`, () => {
      found = this.events.slice(from).find((event) => event.event === name && fits(event))
      return found !== undefined
    }).catch((error) => {
      throw new Error(`${error.message}; events: ${JSON.stringify(this.events.slice(-20))}; ${this.#errors}`, { cause: error })
    })
    return found
  }

  async end() {
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    await this.#exited
    clearTimeout(timer)
  }
}
