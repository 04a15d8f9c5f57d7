import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Metadata, PeerDiscoveryProvider, ProviderCapabilities } from '@kithmesh/core'
import { Bench } from '../bench.ts'
import { within } from '../eventually.ts'
import { accountOfAll } from './account.ts'
import type { Announcement, ProviderFixture, ProviderHarness } from './harness.ts'
import { recordingContext } from './recording-context.ts'
import type { KnownPeer, RecordingContext } from './recording-context.ts'

/** Group used where a test does not care; dots on purpose. */
const GROUP = 'com.example.shop'

/** One machine of the medium with the provider under test. */
export interface Subject {
  readonly provider: PeerDiscoveryProvider
  readonly context: RecordingContext
}

export interface ServiceOptions {
  readonly group?: string
  readonly port?: number
  readonly metadata?: Readonly<Record<string, string | Uint8Array>>
}

/** A published service, by the subject on another machine or by the harness. */
export interface Service extends Announcement {
  /** The publishing machine; undefined when the harness announced it. */
  readonly subject: Subject | undefined
}

/** Metadata as checks write them. */
export type Entries = Readonly<Record<string, string | Uint8Array>>

/** Metadata as the contract wants it, without the product's encoder. */
export function metadataOf(entries: Entries): Metadata {
  return new Map(Object.entries(entries).map(([key, value]) => [key, typeof value === 'string' ? new TextEncoder().encode(value) : value]))
}

/** Equal keys with equal bytes, in any order. */
function sameMetadata(a: Metadata, b: Metadata): boolean {
  return (
    a.size === b.size &&
    [...a].every(([key, value]) => {
      const other = b.get(key)
      return value instanceof Uint8Array && other instanceof Uint8Array && Buffer.compare(value, other) === 0
    })
  )
}

/** Metadata in one line of a failure. */
function shown(metadata: Metadata): string {
  const items = [...metadata].slice(0, 4).map(([key, value]) => {
    if (!(value instanceof Uint8Array)) return `${key}: ${typeof value} instead of Uint8Array`
    return `${key}: ${JSON.stringify(Buffer.from(value).toString('latin1').slice(0, 40))}`
  })
  return `{ ${items.join(', ')}${metadata.size > 4 ? ', …' : ''} }`
}

/** The machines of one test, and what every check needs. */
export class ProviderBench extends Bench {
  readonly capabilities: Readonly<ProviderCapabilities>
  readonly #harness: ProviderHarness
  readonly #fixture: ProviderFixture
  readonly #subjects: Subject[] = []
  readonly #announcements: Announcement[] = []
  #hosts = 0

  private constructor(harness: ProviderHarness, fixture: ProviderFixture) {
    super(harness.settleMs ?? 10_000)
    this.#harness = harness
    this.#fixture = fixture
    this.capabilities = harness.factory.capabilities
  }

  static async create(harness: ProviderHarness): Promise<ProviderBench> {
    const fixture = await harness.create()
    assert.equal(typeof fixture?.factoryFor, 'function', 'create() of the harness resolves with a fixture that has no factoryFor()')
    assert.equal(typeof fixture[Symbol.asyncDispose], 'function', 'the fixture of the harness has no [Symbol.asyncDispose]()')
    return new ProviderBench(harness, fixture)
  }

  factoryFor(host: string): ReturnType<ProviderFixture['factoryFor']> {
    return this.#fixture.factoryFor(host)
  }

  /** A new machine with its provider, doing nothing yet. */
  subject(options: { readonly group?: string } = {}): Subject {
    const host = `host-${++this.#hosts}`
    const context = recordingContext({ peerGroupId: options.group ?? GROUP, localPeerId: createHash('sha256').update(host).digest('hex') })
    const factory = this.#fixture.factoryFor(host)
    assert.equal(typeof factory?.create, 'function', 'factoryFor() of the fixture returned no factory: it has no create()')
    const subject = { context, provider: factory.create(context) }
    this.#subjects.push(subject)
    return subject
  }

  /** A new machine that browses. */
  async browser(options: { readonly group?: string } = {}): Promise<Subject> {
    const subject = this.subject(options)
    await this.settles(subject.provider.startBrowsing(), 'startBrowsing')
    return subject
  }

  /** Makes a service visible from a machine of its own. */
  async service(displayName: string, options: ServiceOptions = {}): Promise<Service> {
    const { group = GROUP, port = 4984, metadata = {} } = options
    if (!this.capabilities.publishes) return await this.#announce(displayName, group, port, metadataOf(metadata))
    const subject = this.subject({ group })
    await this.publish(subject, displayName, options)
    return {
      subject,
      updateMetadata: (next) => this.settles(subject.provider.updateMetadata(next), 'updateMetadata'),
      withdraw: () => this.settles(subject.provider.stopPublishing(), 'stopPublishing')
    }
  }

  async publish(subject: Subject, displayName: string, { port = 4984, metadata = {} }: ServiceOptions = {}): Promise<void> {
    await this.settles(subject.provider.startPublishing({ displayName, port, metadata: metadataOf(metadata) }), 'startPublishing')
  }

  async #announce(displayName: string, peerGroupId: string, port: number, metadata: Metadata): Promise<Service> {
    assert.ok(this.#fixture.announce !== undefined, 'the subject cannot publish, so the fixture must have announce()')
    const localPeerId = createHash('sha256')
      .update(`foreign-${++this.#hosts}`)
      .digest('hex')
    const announcement = await this.#fixture.announce({ peerGroupId, localPeerId, displayName, port, metadata })
    this.#announcements.push(announcement)
    return { subject: undefined, updateMetadata: (next) => announcement.updateMetadata(next), withdraw: () => announcement.withdraw() }
  }

  /** Waits until `subject` lists a peer of this name (a provider may have appended a number) and returns it. */
  async finds(subject: Subject, displayName: string): Promise<KnownPeer> {
    return await this.eventually(`${JSON.stringify(displayName)} to be found`, () => namedPeers(subject, displayName)[0])
  }

  async loses(subject: Subject, id: string): Promise<void> {
    await this.eventually(`peersLost to be called with ${JSON.stringify(id)}`, () => !subject.context.peers.has(id))
  }

  /** Waits until `subject` lists these metadata of the peer, and no others. */
  async shows(subject: Subject, id: string, entries: Entries): Promise<void> {
    const wanted = metadataOf(entries)
    await this.eventually('the metadata to arrive', () => {
      const peer = subject.context.peers.get(id)
      if (peer === undefined) throw new Error(`the peer is not there any more`)
      if (!(peer.metadata instanceof Map)) throw new Error('the metadata is no Map')
      if (sameMetadata(peer.metadata, wanted)) return true
      throw new Error(`there is ${shown(peer.metadata)} instead of ${shown(wanted)}`)
    })
  }

  /** Proves that the medium has carried everything up to now: a service published at this point has reached `subject`. */
  async caughtUp(subject: Subject, marker = 'marker'): Promise<void> {
    await this.service(marker, { group: subject.context.peerGroupId })
    await this.finds(subject, marker)
  }

  /** Shuts everything down; what a broken subject throws here was for a test to notice. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(
      this.#subjects.map((subject) => within(Promise.resolve(subject.provider.shutdown()), this.settleMs, 'shutdown'))
    )
    await Promise.allSettled(this.#announcements.map((announcement) => announcement.withdraw()))
    await this.#fixture[Symbol.asyncDispose]()
  }

  /** What each machine reported until now, for the failure of a check. */
  account(): readonly string[] {
    return accountOfAll(this.#subjects)
  }

  /** Another medium of the same harness. */
  async another(): Promise<ProviderBench> {
    return await ProviderBench.create(this.#harness)
  }
}

/** Peers present whose name is `displayName`, perhaps with a number the provider appended. */
export function namedPeers(subject: Subject, displayName: string): KnownPeer[] {
  return [...subject.context.peers.values()].filter(
    (peer) =>
      peer.displayName === displayName ||
      (peer.displayName.startsWith(displayName) && /^[ -]?\(?\d+\)?$/.test(peer.displayName.slice(displayName.length)))
  )
}

/** The browse or publish states in the order they were reported. */
export function reportedStates(subject: Subject, mode: 'browse' | 'publish'): string[] {
  return subject.context.events.flatMap((event) => (event.type === 'status' && event.mode === mode ? [event.status.state] : []))
}

/** Fails when the mode's last reported status is another one. */
export function statusIs(subject: Subject, mode: 'browse' | 'publish', state: 'online' | 'offline'): void {
  const reported = subject.context.status(mode)
  assert.equal(
    reported,
    state,
    `the status of ${mode} is ${reported}: call statusChanged('${mode}', { state: '${state}' }) before the call settles`
  )
}
