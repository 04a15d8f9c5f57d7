// The parent's side of peer.mjs.
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { eventually } from '@kithmesh/testkit'

const programOf = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url))
const ONLINE_MS = 30_000
/** Longer than anything that a peer is asked for takes. */
const CALL_MS = 90_000

/** Starts a peer on a host of the lab, without waiting for it to be online. */
export function startPeer(lab, host, { program = 'peer.mjs', ...config }) {
  const child = lab.run(host, process.execPath, [programOf(program), JSON.stringify({ name: host, ...config })], {
    stdio: ['pipe', 'pipe', 'inherit']
  })
  return new PeerProcess(host, child)
}

class PeerProcess {
  /** Everything it told that was no answer. */
  events = []
  peerId = undefined
  #child
  #waiting = new Map()
  #ids = 0
  #ended = false

  constructor(host, child) {
    this.host = host
    this.#child = child
    child.stdin.on('error', () => undefined)
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(JSON.parse(line)))
    child.once('exit', (code, signal) => {
      this.#ended = true
      for (const { reject } of this.#waiting.values()) reject(new Error(`the peer on ${host} ended with ${code ?? signal}`))
      this.#waiting.clear()
    })
  }

  /** Resolves when it is published and has measured its network. */
  async online({ measured = true } = {}) {
    const has = (event) => this.events.some((each) => each.event === event)
    await eventually(
      `the peer on ${this.host} to be online`,
      () => {
        if (this.#ended) return 'ended'
        return has('online') && (!measured || has('network')) && 'online'
      },
      { withinMs: ONLINE_MS, everyMs: 10 }
    )
    if (this.#ended) throw new Error(`the peer on ${this.host} ended before it was online`)
    return this
  }

  /** Resolves when it has told an event. */
  async says(name) {
    return await eventually(`${name} on ${this.host}`, () => this.events.find(({ event }) => event === name), {
      withinMs: ONLINE_MS,
      everyMs: 10
    })
  }

  /** Resolves when a broker is connected. */
  async signals() {
    await eventually(`a broker for ${this.host}`, () => this.#latest('brokers')?.states.includes('connected'), {
      withinMs: ONLINE_MS,
      everyMs: 10
    })
  }

  /** What it measured last. */
  get network() {
    return this.#latest('network')?.facts
  }

  #latest(name) {
    return this.events.findLast(({ event }) => event === name)
  }

  call(name, args = {}) {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(new Error(`the peer on ${this.host} has ended`))
        return
      }
      const id = ++this.#ids
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new Error(`${name} on ${this.host} did not answer within ${CALL_MS} ms`))
      }, CALL_MS)
      const settle = (how) => (value) => {
        clearTimeout(timer)
        how(value)
      }
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) })
      this.#child.stdin.write(`${JSON.stringify({ id, call: name, ...args })}\n`)
    })
  }

  async stop(signal = 'SIGTERM') {
    if (this.#ended) return
    const exit = once(this.#child, 'exit')
    this.#child.kill(signal)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5000)
    await exit
    clearTimeout(timer)
  }

  #hear(message) {
    if (message.id === undefined) {
      this.events.push(message)
      if (message.event === 'online') this.peerId = message.peerId
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.error === undefined) waiting?.resolve(message.value)
    else waiting?.reject(Object.assign(new Error(message.error.message), { code: message.error.code }))
  }
}
