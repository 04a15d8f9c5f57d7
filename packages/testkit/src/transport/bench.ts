import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { ConnectTarget, Device, Peer, ResolvedUrl, TransportContext, TransportStrategy } from '@kithmesh/core'
import { ClaimTable, SignalingHub } from '@kithmesh/core/plugin'
import { eventually, within } from '../eventually.ts'
import { realClock } from '../real-clock.ts'
import { recordingLogger } from '../recording-logger.ts'
import { MemorySignaling } from '../memory/signaling.ts'
import { fixedNetworkView, unknownNetwork } from '../unknown-network.ts'
import { ByteLine } from '../socket-factory/line.ts'
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
export class TransportBench {
  readonly settleMs: number
  readonly fixture: TransportFixture
  readonly #listens: boolean
  readonly #strategies = new Map<Host, TransportStrategy>()
  readonly #signaling = new MemorySignaling()
  readonly #hubs: SignalingHub[] = []
  readonly #lines: ByteLine[] = []
  readonly #passive: PassiveSide[] = []
  /** Streams accepted by any listener of this test, in order. */
  readonly accepted: ByteLine[] = []

  private constructor(harness: TransportHarness, fixture: TransportFixture) {
    this.settleMs = harness.settleMs ?? 15_000
    this.fixture = fixture
    this.#listens = harness.factory.capabilities.listens
  }

  static async create(harness: TransportHarness): Promise<TransportBench> {
    return new TransportBench(harness, await harness.create())
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
    const logger = recordingLogger('transport')
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
    this.#strategies.delete(host)
  }

  async listen(host: Host): Promise<PassiveSide> {
    const accept = (socket: ConstructorParameters<typeof ByteLine>[0]): void => {
      const line = new ByteLine(socket)
      line.start()
      this.#lines.push(line)
      this.accepted.push(line)
    }
    let side: PassiveSide
    if (this.#listens) {
      const { resolved } = this.fixture
      assert.ok(resolved !== undefined, 'the subject listens, so the fixture must have resolved()')
      const strategy = this.strategy(host)
      assert.ok(strategy.listen !== undefined, 'capabilities.listens is true, but there is no listen()')
      const listener = await this.settles(strategy.listen({ onConnection: accept }), 'listen')
      assert.ok(Array.isArray(listener.addresses))
      side = { resolved: resolved.call(this.fixture, listener, host), close: () => listener.close() }
    } else {
      assert.ok(this.fixture.listen !== undefined, 'the subject does not listen, so the fixture must have listen()')
      side = await this.fixture.listen(host, accept)
    }
    this.#passive.push(side)
    return side
  }

  /** Calls `attempt`; the stream is destroyed at the end of the test. */
  async attempt(
    from: Host,
    resolved: ResolvedUrl,
    options: { readonly signal?: AbortSignal; readonly progress?: (phase: string, address?: string) => void } = {}
  ): Promise<ByteLine> {
    const socket = await this.strategy(from).attempt(connectTarget(resolved, from === 'a' ? 'b' : 'a'), {
      signal: options.signal ?? new AbortController().signal,
      progress: options.progress ?? (() => {})
    })
    const line = new ByteLine(socket)
    this.#lines.push(line)
    line.start()
    return line
  }

  /** A listener on one machine and an open stream to it from the other. */
  async connect(from: Host): Promise<{ readonly dialled: ByteLine; readonly accepted: ByteLine; readonly passive: PassiveSide }> {
    const passive = await this.listen(from === 'a' ? 'b' : 'a')
    const before = this.accepted.length
    const dialled = await this.settles(this.attempt(from, passive.resolved), 'attempt')
    const accepted = await this.eventually('the stream to be accepted', () => this.accepted[before])
    return { dialled, accepted, passive }
  }

  async carries(from: ByteLine, to: ByteLine, text: string): Promise<void> {
    const before = to.receivedBytes
    from.send(Buffer.from(text))
    await this.eventually(`${JSON.stringify(text)} to arrive`, () => to.receivedBytes >= before + Buffer.byteLength(text))
    assert.equal(Buffer.concat(to.received).subarray(before).toString(), text)
  }

  async eventually<T>(reason: string, check: () => T): Promise<Exclude<T, undefined | false>> {
    return (await eventually(reason, check, { withinMs: this.settleMs })) as Exclude<T, undefined | false>
  }

  async settles<T>(promise: Promise<T>, what: string): Promise<T> {
    return await within(promise, this.settleMs, what)
  }

  async rejection(promise: Promise<unknown>, what: string): Promise<unknown> {
    const outcome = await this.settles(
      promise.then(
        () => undefined,
        (error: unknown) => ({ error })
      ),
      what
    )
    assert.ok(outcome !== undefined, `${what} must reject`)
    return outcome.error
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const line of this.#lines) line.cut()
    await Promise.allSettled(this.#passive.map((side) => within(side.close(), this.settleMs, 'closing a listener')))
    await Promise.allSettled([...this.#strategies.values()].map((strategy) => within(strategy.shutdown(), this.settleMs, 'shutdown')))
    for (const hub of this.#hubs) hub.close(new Error('the test is over'))
    await this.fixture[Symbol.asyncDispose]()
  }
}
