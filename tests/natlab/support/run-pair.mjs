// Connects one pair of peers a number of times, in a lab of its own.
import { createNatLab } from '@kithmesh/testkit/natlab'
import { labOptions } from './pairs.mjs'
import { startPeer } from './peer-process.mjs'

/** Both peers of a lab with its servers, found by each other and ready to connect; with `late: 'broker'` there is no broker yet. */
export class PairLab {
  static async create(pair, options = {}) {
    const lab = await createNatLab(labOptions(pair, options))
    try {
      const [broker, relay] = await Promise.all([lab.startMosquitto(), lab.startCoturn({ tcpAllocations: options.tcpAllocations ?? true })])
      const self = new PairLab(lab, broker, relay, options)
      if (options.late === 'broker') await broker.kill()
      await self.#startPeers()
      return self
    } catch (error) {
      await lab.dispose()
      throw error
    }
  }

  constructor(lab, broker, relay, options) {
    Object.assign(this, { lab, broker, relay, options })
  }

  get config() {
    const { strategies, log, mqtt, connectMs = 20_000 } = this.options
    const { turnUrl, username, credential, stunUrls } = this.relay
    return {
      group: 'natlab',
      brokers: [this.broker.url],
      stun: stunUrls,
      turn: [{ url: turnUrl, username, credential }],
      connectMs,
      ...(strategies === undefined ? {} : { strategies }),
      ...(log === undefined ? {} : { log }),
      ...(mqtt === undefined ? {} : { mqtt }),
      ...this.options.peer
    }
  }

  async #startPeers() {
    const late = this.options.late === 'broker'
    // One after the other: a process that starts takes a processor for a second, and the other one's NAT probe has only two.
    this.a = startPeer(this.lab, 'a', this.config)
    await (late ? this.a.says('waiting') : this.a.online())
    this.b = startPeer(this.lab, 'b', this.config)
    if (late) {
      await this.b.says('waiting')
      return
    }
    await this.acquaint()
  }

  /** Resolves when each knows what the other has measured of its network. */
  async acquaint() {
    await Promise.all([this.a.online(), this.b.online()])
    await Promise.all([this.a.call('known', { peerId: this.b.peerId }), this.b.call('known', { peerId: this.a.peerId })])
  }

  /** One connection from scratch; `from` is `a` or `b`. With `bytes` that many are sent each way. */
  async connect(from, { bytes, deadlineMs } = {}) {
    const [caller, callee] = from === 'a' ? [this.a, this.b] : [this.b, this.a]
    await this.lab.flush({ keepTcpPorts: [1883] })
    const result = await caller.call('connect', { peerId: callee.peerId, ...(deadlineMs === undefined ? {} : { deadlineMs }) })
    if (!result.connected) return result
    try {
      if (bytes !== undefined) result.transfer = await caller.call('transfer', { conversation: result.conversation, bytes })
    } finally {
      await caller.call('close', { conversation: result.conversation })
    }
    return result
  }

  async dispose() {
    await this.lab.dispose()
  }
}

/** What a report says went wrong, in a line. */
export function reasonOf({ message, report }) {
  const attempts = report?.attempts ?? []
  const texts = attempts
    .filter(({ state }) => state === 'failed' || state === 'skipped')
    .map(({ strategy, message: text, hint }) => `${strategy}: ${hint ?? text}`)
  return texts.length === 0 ? message : [...new Set(texts)].join('; ')
}

function median(numbers) {
  if (numbers.length === 0) return null
  const sorted = [...numbers].sort((one, other) => one - other)
  return sorted[Math.floor((sorted.length - 1) / 2)]
}

/** The row of a pair in the result: see run.mjs. `progress` is told each connection. */
export async function runPair(pair, { runs, direction = 'both', bytes, progress = () => undefined, ...options }) {
  const [a, b] = pair
  const results = []
  const started = performance.now()
  const lab = await PairLab.create(pair, options)
  try {
    for (let run = 0; run < runs; run++) {
      const from = direction === 'both' ? 'ab'[run % 2] : direction
      const result = await lab.connect(from, { bytes })
      results.push({ from, ...result })
      progress({ run, from, ...result })
    }
  } finally {
    await lab.dispose()
  }
  return { ...summarise(results), a, b, tookMs: performance.now() - started, results }
}

/** Pure. */
export function summarise(results) {
  const won = results.filter(({ connected }) => connected)
  const strategies = {}
  for (const { strategy } of won) strategies[strategy] = (strategies[strategy] ?? 0) + 1
  const times = won.map(({ ms }) => ms)
  const reasons = results.filter(({ connected }) => !connected).map(reasonOf)
  const often = (text) => reasons.filter((reason) => reason === text).length
  const [reason = null] = [...new Set(reasons)].sort((one, other) => often(other) - often(one))
  const strategyMs = Object.fromEntries(
    Object.keys(strategies).map((name) => [name, round(median(won.filter(({ strategy }) => strategy === name).map(({ ms }) => ms)))])
  )
  return {
    runs: results.length,
    connected: won.length,
    strategies,
    strategyMs,
    medianMs: round(median(times)),
    worstMs: times.length === 0 ? null : round(Math.max(...times)),
    reason
  }
}

function round(ms) {
  return ms === null ? null : Math.round(ms)
}
