import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type {
  ByteSocket,
  ConnectTarget,
  Device,
  Peer,
  ResolvedUrl,
  SignalingChannel,
  TransportContext,
  TransportListener,
  TransportStrategy
} from '@kithmesh/core'
import { ClaimTable, SignalingHub } from '@kithmesh/core/plugin'
import { Bench } from '../bench.ts'
import { within } from '../eventually.ts'
import { realClock } from '../real-clock.ts'
import { type RecordingLogger, recordingLogger } from '../recording-logger.ts'
import { MemorySignaling } from '../memory/signaling.ts'
import { fixedNetworkView, unknownNetwork } from '../unknown-network.ts'
import { ByteLine } from '../socket-factory/line.ts'
import { plain } from '../explain.ts'
import { type Attempt, accountOfAttempt, accountOfLog } from './account.ts'
import type { PassiveSide, TransportFixture, TransportHarness } from './harness.ts'

export type Host = 'a' | 'b'

/** A connection attempt's other end, as the layers above would describe it. */
export function connectTarget(resolved: ResolvedUrl, host = 'b'): ConnectTarget {
  const peer: Peer = {
    id: `${host}.conformance`,
    provider: 'Conformance',
    online: true,
    connectable: true,
    displayName: host,
    metadata: new Map(),
    claimedDeviceId: undefined,
    resolveUrl: () => Promise.resolve(resolved),
    monitorMetadata() {}
  }
  const device: Device = { id: peerIdOf(host), displayName: host, peers: [peer] }
  return { device, peer, resolved, localNetwork: unknownNetwork() }
}

function peerIdOf(host: string): string {
  return createHash('sha256').update(host).digest('hex')
}

/** Strategies, listeners and streams of one test. */
export class TransportBench extends Bench {
  readonly fixture: TransportFixture
  readonly #listens: boolean
  readonly #strategies = new Map<Host, TransportStrategy>()
  readonly #signaling = new MemorySignaling()
  readonly #attempts: Attempt[] = []
  readonly #loggers: RecordingLogger[] = []
  readonly #hubs: SignalingHub[] = []
  readonly #forgotten: TransportStrategy[] = []
  readonly #lines: ByteLine[] = []
  readonly #passive: PassiveSide[] = []
  /** Streams accepted by any listener of this test, in order, and where the strategy says that they came from. */
  readonly accepted: ByteLine[] = []
  readonly remotes: unknown[] = []
  /** What the strategies' own `listen` gave, in order. */
  readonly listeners: TransportListener[] = []
  /** What is done with an accepted stream, instead of reading it. */
  onAccepted: ((line: ByteLine) => void) | undefined

  private constructor(harness: TransportHarness, fixture: TransportFixture) {
    super(harness.settleMs ?? 15_000)
    this.fixture = fixture
    this.#listens = harness.factory.capabilities.listens
  }

  static async create(harness: TransportHarness): Promise<TransportBench> {
    const fixture = await harness.create()
    for (const member of ['factoryFor', 'unreachable', 'unusable', Symbol.asyncDispose] as const)
      assert.equal(typeof fixture?.[member], 'function', `create() of the harness resolves with a fixture that has no ${String(member)}()`)
    return new TransportBench(harness, fixture)
  }

  /** The machine's strategy, made when it is first asked for. */
  strategy(host: Host): TransportStrategy {
    let strategy = this.#strategies.get(host)
    if (strategy === undefined) {
      strategy = this.fixture.factoryFor(host).create(this.#context(host))
      this.#strategies.set(host, strategy)
    }
    return strategy
  }

  #context(host: Host): TransportContext {
    const logger = recordingLogger(`machine ${host}`)
    this.#loggers.push(logger)
    const hub = new SignalingHub({ clock: realClock, logger })
    hub.attach(this.#signaling.channel(peerIdOf(host)))
    this.#hubs.push(hub)
    const defaults = {
      localPeerId: peerIdOf(host),
      logger,
      clock: realClock,
      signaling: hub,
      network: fixedNetworkView(),
      claims: new ClaimTable(realClock),
      dialPolicy: { refuse: () => undefined },
      listeningPort: () => undefined
    }
    return this.fixture.context?.(host, defaults) ?? defaults
  }

  /** The machine's strategy was shut down; the next one asked for is new. */
  forget(host: Host): void {
    const strategy = this.#strategies.get(host)
    if (strategy !== undefined) this.#forgotten.push(strategy)
    this.#strategies.delete(host)
  }

  async listen(host: Host): Promise<PassiveSide> {
    const accept = (socket: ByteSocket, remote?: unknown): void => {
      const line = new ByteLine(socket)
      this.#lines.push(line)
      this.accepted.push(line)
      this.remotes.push(remote)
      if (this.onAccepted === undefined) line.start()
      else this.onAccepted(line)
    }
    let side: PassiveSide
    if (this.#listens) {
      const { resolved } = this.fixture
      assert.ok(resolved !== undefined, 'the subject listens, so the fixture must have resolved()')
      const strategy = this.strategy(host)
      assert.ok(strategy.listen !== undefined, 'capabilities.listens is true, but there is no listen()')
      const listener = await this.settles(strategy.listen({ onConnection: accept }), 'listen')
      this.listeners.push(listener)
      side = { resolved: resolved.call(this.fixture, listener, host), close: () => listener.close() }
    } else {
      assert.ok(this.fixture.listen !== undefined, 'the subject does not listen, so the fixture must have listen()')
      side = await this.fixture.listen(host, accept)
    }
    this.#passive.push(side)
    return side
  }

  /** Calls `attempt`; the stream is destroyed at the end of the test. A check that fails need not wait for it. */
  attempt(
    from: Host,
    resolved: ResolvedUrl,
    options: {
      readonly signal?: AbortSignal
      readonly progress?: (phase: string, address?: string) => void
      /** The device that is meant. @default the other machine */
      readonly to?: string
      /** @default true */
      readonly reads?: boolean
    } = {}
  ): Promise<ByteLine> {
    const account: Attempt = { from, phases: [], outcome: 'under way' }
    this.#attempts.push(account)
    const dial = async (): Promise<ByteLine> => {
      const socket = await this.strategy(from).attempt(connectTarget(resolved, options.to ?? (from === 'a' ? 'b' : 'a')), {
        signal: options.signal ?? new AbortController().signal,
        progress: (phase, address) => {
          account.phases.push(address === undefined ? phase : `${phase} ${address}`)
          options.progress?.(phase, address)
        }
      })
      account.outcome = 'open'
      const line = new ByteLine(socket)
      this.#lines.push(line)
      if (options.reads !== false) line.start()
      return line
    }
    const pending = dial()
    pending.catch((error: unknown) => {
      account.outcome = plain(error)
    })
    return pending
  }

  /** An attempt that cannot succeed, also while the other machine listens: the device is nowhere. */
  attemptNobody(
    from: Host,
    options: { readonly signal?: AbortSignal; readonly progress?: (phase: string, address?: string) => void } = {}
  ): Promise<ByteLine> {
    return this.attempt(from, this.fixture.unreachable(), { ...options, to: 'nobody' })
  }

  /** Messages that went over the machines' signalling so far. */
  get signalled(): MemorySignaling['sent'] {
    return this.#signaling.sent
  }

  /** A stranger's channel on the same signalling. */
  stranger(): SignalingChannel {
    return this.#signaling.channel(peerIdOf('stranger'))
  }

  /** The number of accepted streams that are still open. */
  get open(): number {
    return this.accepted.filter((line) => line.closedCount === 0).length
  }

  /** A listener on one machine and an open stream to it from the other. */
  async connect(
    from: Host,
    options: { readonly dialledReads?: boolean } = {}
  ): Promise<{ readonly dialled: ByteLine; readonly accepted: ByteLine; readonly passive: PassiveSide }> {
    const passive = await this.listen(from === 'a' ? 'b' : 'a')
    const before = this.accepted.length
    const dialled = await this.settles(this.attempt(from, passive.resolved, { reads: options.dialledReads ?? true }), 'attempt')
    const accepted = await this.eventually('the stream to be accepted', () => this.accepted[before])
    return { dialled, accepted, passive }
  }

  async carries(from: ByteLine, to: ByteLine, text: string): Promise<void> {
    const before = to.receivedBytes
    from.send(Buffer.from(text))
    await this.eventually(`${JSON.stringify(text)} to arrive`, () => to.receivedBytes >= before + Buffer.byteLength(text))
    assert.equal(Buffer.concat(to.received).subarray(before).toString(), text)
  }

  /** Closes every listener. */
  async closePassive(): Promise<void> {
    await Promise.allSettled(this.#passive.map((side) => within(side.close(), this.settleMs, 'closing a listener')))
  }

  /** What came of each attempt until now, and the last warning of each machine, for the failure of a check. */
  account(): readonly string[] {
    return [...this.#attempts.map(accountOfAttempt), ...this.#loggers.flatMap(({ entries }) => accountOfLog(entries))]
  }

  /** Cuts every stream of this test. */
  cutAll(): void {
    for (const line of this.#lines) line.cut()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cutAll()
    await this.closePassive()
    const strategies = [...this.#forgotten, ...this.#strategies.values()]
    await Promise.allSettled(strategies.map((strategy) => within(strategy.shutdown(), this.settleMs, 'shutdown')))
    for (const hub of this.#hubs) hub.close(new Error('the test is over'))
    await this.fixture[Symbol.asyncDispose]()
  }
}
