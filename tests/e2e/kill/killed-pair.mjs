// The two processes, their files, and the schedule by which they are killed and started again.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { noteProcess } from '../../../tools/lib/processes.mjs'

const program = fileURLToPath(new URL('./peer.mjs', import.meta.url))
const PATIENCE_MS = 120_000

class Peer {
  lines = []
  deaths = 0
  /** Directions in which it saw deltas, over all of its lives. */
  deltas = new Set()
  #child
  #waiting = []
  #expectEnd = false

  constructor(name, role, root, settings) {
    this.settings = settings
    this.name = name
    this.role = role
    this.directory = join(root, name)
    this.ackFile = join(root, `${name}.acks`)
    this.portFile = join(root, 'port')
  }

  start() {
    this.#expectEnd = false
    this.lines = []
    const child = spawn(process.execPath, [program, this.name, this.directory, this.portFile, this.ackFile, this.role, ...this.settings], {
      stdio: ['pipe', 'pipe', 'pipe']
    })
    noteProcess(child, `${this.name}, life ${this.deaths + 1}`)
    this.#child = child
    let rest = ''
    const take = (text) => {
      const parts = (rest + text).split('\n')
      rest = parts.pop()
      for (const line of parts) {
        if (line.startsWith('delta ')) this.deltas.add(line.slice('delta '.length))
        else this.lines.push(line)
      }
      this.#wake()
    }
    child.stdin.on('error', () => {})
    child.stdout.setEncoding('utf8').on('data', take)
    child.stderr.setEncoding('utf8').on('data', take)
    this.ended = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        if (!this.#expectEnd)
          this.failure = new Error(`${this.name} ended by itself (${code ?? signal}): ${this.lines.join(' | ')} ${rest}`)
        this.#wake()
        resolve()
      })
    })
  }

  order(line) {
    this.#child.stdin.write(`${line}\n`)
  }

  async kill() {
    this.#expectEnd = true
    this.deaths++
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** Resolves with the first line that matches. */
  async line(pattern) {
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      if (this.failure !== undefined) throw this.failure
      const found = this.lines.find((line) => pattern.test(line))
      if (found !== undefined) return found
      const left = deadline - Date.now()
      if (left <= 0) throw new Error(`${this.name} did not say ${pattern} but: ${this.lines.join(' | ')}`)
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#waiting.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  #wake() {
    for (const wake of this.#waiting.splice(0)) wake()
  }
}

export class KilledPair {
  root = mkdtempSync(join(tmpdir(), 'kithmesh-kill-'))
  /** What was done, for a failure to be repeated. */
  history = []

  constructor({ versioning, deltas }) {
    const settings = [versioning, deltas ? 'deltas' : 'whole']
    this.a = new Peer('a', 'connect', this.root, settings)
    this.b = new Peer('b', 'listen', this.root, settings)
  }

  async start() {
    for (const peer of [this.a, this.b]) peer.start()
    for (const peer of [this.a, this.b]) await peer.line(/^ready$/)
  }

  /**
   * Has both write up to operation `goal`, and kills one of them at a random moment: while they write and replicate or, one time in five,
   * while it starts. The victim runs again when this resolves.
   */
  async step(random, goal, whileDead = async () => {}) {
    const victim = random() < 0.5 ? this.a : this.b
    const delayMs = Math.floor(random() * 100)
    const starting = random() < 0.2
    this.history.push(`${victim.name} after ${delayMs} ms of ${starting ? 'starting' : 'writing up to'} ${goal}`)
    if (starting) {
      await victim.kill()
      victim.start()
    }
    for (const peer of [this.a, this.b]) peer.order(`write ${goal}`)
    await new Promise((resolve) => setTimeout(resolve, delayMs))
    if (victim.failure !== undefined) throw victim.failure
    await victim.kill()
    await whileDead(victim)
    victim.start()
    await victim.line(/^ready$/)
    return starting ? 2 : 1
  }

  async stop() {
    for (const peer of [this.a, this.b]) await peer.kill()
  }

  remove() {
    rmSync(this.root, { recursive: true, force: true })
  }
}
