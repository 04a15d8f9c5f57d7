import type { Clock } from '../contracts/clock.ts'
import type { Logger } from '../contracts/logger.ts'
import type { KnownPeer, KnownPeersStore, ObservableList, TrustLevel } from '../contracts/trust.ts'
import { coreErrors } from '../errors.ts'
import { silentLogger } from '../loggers.ts'
import { isPeerId } from '../peer-id.ts'
import { systemClock } from '../system-clock.ts'
import { ListState } from './observable-list.ts'
import { StoreWriter } from './store-writer.ts'

const MAX_STRANGERS = 1_000
const MAX_DECIDED = 10_000
const MAX_NAME = 255
const MAX_ADDRESS = 255
const LEVELS: readonly unknown[] = ['blocked', 'restricted', 'trusted'] satisfies TrustLevel[]

export interface KnownPeersOptions {
  /** Where they survive; without it they last as long as the object. It belongs to this object alone, as each `save` replaces everything. */
  readonly store?: KnownPeersStore
  /** Peers of level `restricted` that are kept; beyond that, the one goes that was seen longest ago. @default 1000 */
  readonly maxStrangers?: number
  readonly clock?: Clock
  readonly logger?: Logger
}

/** What is to be remembered of a peer. */
export interface PeerToRemember {
  readonly peerId: string
  readonly name: string
  readonly level: TrustLevel
  /** See {@link KnownPeer.how}. */
  readonly how: string
  readonly address?: string
}

/**
 * The peers that this device has met, and what became of it. Blocked and trusted ones stay until they are forgotten; of the others the
 * latest are kept, so that strangers push out strangers only.
 *
 * Changes are written to the store soon, many at once; a store that fails is tried again, at growing intervals and at `stop`, and is
 * reported in `storeError` and the log. Until it works, everything is kept here.
 *
 * @example
 * const known = new KnownPeers({ store: openKnownPeers('known-peers.json'), logger })
 * await known.start()
 * await known.remember({ peerId, name: 'Till 2', level: 'trusted', how: 'by hand' })
 */
export class KnownPeers {
  readonly #clock: Clock
  readonly #maxStrangers: number
  /** Both in the order in which they were last seen. */
  readonly #decided = new Map<string, KnownPeer>()
  readonly #strangers = new Map<string, KnownPeer>()
  readonly #list: ListState<KnownPeer>
  readonly #store: KnownPeersStore | undefined
  readonly #writer: StoreWriter | undefined
  #starting: Promise<void> | undefined
  #reloading: Promise<void> | undefined
  /** Who was changed here since the store was asked again. */
  #touched: Set<string> | undefined

  /** @throws TypeError for a number of strangers that makes no sense */
  constructor({ store, maxStrangers = MAX_STRANGERS, clock = systemClock, logger = silentLogger }: KnownPeersOptions = {}) {
    if (!(maxStrangers >= 0)) throw new TypeError(`maxStrangers must not be negative, but is ${maxStrangers}`)
    this.#clock = clock
    this.#maxStrangers = maxStrangers
    this.#list = new ListState(() => [...this.#decided.values(), ...this.#strangers.values()], logger)
    this.#store = store
    this.#writer =
      store === undefined
        ? undefined
        : new StoreWriter({ save: () => store.save(this.#list.current), clock, logger, what: 'the list of known peers' })
  }

  /** Blocked and trusted ones first, each in the order in which they were last seen. */
  get list(): ObservableList<KnownPeer> {
    return this.#list
  }

  /** Why the store does not have the latest changes, while it does not because it failed. */
  get storeError(): unknown {
    return this.#writer?.error
  }

  /**
   * Reads the store. Idempotent; a failed start can be repeated. Needless without a store.
   * @throws ERR_KNOWN_PEERS_STORE with the cause; nobody is known then, and nothing is written
   */
  start(): Promise<void> {
    this.#starting ??= this.#load().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  /**
   * Writes what is not written yet. The list stays; `start` reads it anew. Idempotent.
   * @throws ERR_KNOWN_PEERS_STORE with the cause; the changes are still here then, and `stop` or a later change tries again
   */
  async stop(): Promise<void> {
    if (this.#starting === undefined) return
    await this.#starting.catch(() => {})
    await this.#writer?.stop()
    this.#starting = undefined
  }

  /**
   * Writes what is not written yet and reads the store again, because somebody else has changed it; usable all the while. Without a store
   * it does nothing.
   * @throws ERR_KNOWN_PEERS_STORE; everything is as it was then. TypeError before `start`
   */
  async reload(): Promise<void> {
    const writer = this.#writer
    if (writer === undefined) return
    if (!writer.started) throw new TypeError('Known peers with a store have to be started first')
    this.#reloading ??= this.#doReload(writer).finally(() => {
      this.#reloading = undefined
      this.#touched = undefined
    })
    await this.#reloading
  }

  get(peerId: string): KnownPeer | undefined {
    return this.#decided.get(peerId) ?? this.#strangers.get(peerId)
  }

  /** Notes that a peer that has proven its id is there. One that is new is `restricted`. Written later, with other changes. */
  seen({ peerId, name, address }: { readonly peerId: string; readonly name: string; readonly address?: string }): void {
    this.#checkUsable(peerId)
    const { level, how } = this.get(peerId) ?? { level: 'restricted', how: 'seen' }
    this.#put({ peerId, name, level, how, ...(address === undefined ? {} : { address }) })
    this.#writer?.later()
  }

  /**
   * Enters a peer or changes what is known of it; since when it is known stays. Counts at once; resolves when it is in the store.
   * @throws ERR_KNOWN_PEERS_FULL; ERR_KNOWN_PEERS_STORE when it is not in the store yet; TypeError for what is no peer id or level, and
   * before `start` where there is a store
   */
  async remember(peer: PeerToRemember): Promise<void> {
    this.#checkUsable(peer.peerId)
    if (!LEVELS.includes(peer.level)) throw new TypeError('A level is blocked, restricted or trusted')
    if (peer.level !== 'restricted' && !this.#decided.has(peer.peerId) && this.#decided.size >= MAX_DECIDED)
      throw coreErrors.create('ERR_KNOWN_PEERS_FULL', `${MAX_DECIDED} peers are trusted or blocked already`)
    this.#put(peer)
    await this.#writer?.now()
  }

  /**
   * @returns whether it was known; when it is no longer in the store
   * @throws ERR_KNOWN_PEERS_STORE when it is still in the store
   */
  async forget(peerId: string): Promise<boolean> {
    this.#checkUsable(peerId)
    if (!this.#decided.delete(peerId) && !this.#strangers.delete(peerId)) return false
    this.#touched?.add(peerId)
    this.#list.changed()
    await this.#writer?.now()
    return true
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #put({ peerId, name, level, how, address }: PeerToRemember): void {
    const former = this.get(peerId)
    const now = this.#clock.now()
    const lastAddress = address?.slice(0, MAX_ADDRESS) ?? former?.lastAddress
    const peer: KnownPeer = Object.freeze({
      peerId,
      name: name.replaceAll(/\p{Cc}/gu, ' ').slice(0, MAX_NAME),
      level,
      how,
      since: former?.since ?? now,
      lastSeen: now,
      ...(lastAddress === undefined ? {} : { lastAddress })
    })
    this.#touched?.add(peerId)
    this.#enter(peer)
    this.#list.changed()
  }

  #enter(peer: KnownPeer): void {
    const { peerId } = peer
    this.#decided.delete(peerId)
    this.#strangers.delete(peerId)
    if (peer.level !== 'restricted') {
      this.#decided.set(peerId, peer)
      return
    }
    this.#strangers.set(peerId, peer)
    if (this.#strangers.size <= this.#maxStrangers) return
    for (const oldest of this.#strangers.keys()) {
      this.#strangers.delete(oldest)
      return
    }
  }

  async #load(): Promise<void> {
    if (this.#store === undefined) return
    this.#replace(await read(this.#store), new Set())
    this.#writer?.start()
  }

  async #doReload(writer: StoreWriter): Promise<void> {
    this.#touched = new Set()
    await writer.flush()
    const peers = await read(this.#store as KnownPeersStore)
    this.#replace(peers, this.#touched)
    if (this.#touched.size > 0) writer.later()
  }

  /** @param but whose entries, or absence, are newer here */
  #replace(peers: readonly KnownPeer[], but: ReadonlySet<string>): void {
    const own = this.list.current.filter(({ peerId }) => but.has(peerId))
    this.#decided.clear()
    this.#strangers.clear()
    const all = [...peers.filter(({ peerId }) => !but.has(peerId)), ...own]
    for (const peer of all.sort((one, other) => one.lastSeen - other.lastSeen)) this.#enter(Object.freeze({ ...peer }))
    this.#list.changed()
  }

  #checkUsable(peerId: string): void {
    if (!isPeerId(peerId)) throw new TypeError('A peer id is 64 lowercase hex digits')
    if (this.#writer !== undefined && !this.#writer.started) throw new TypeError('Known peers with a store have to be started first')
  }
}

async function read(store: KnownPeersStore): Promise<readonly KnownPeer[]> {
  try {
    const peers = await store.load()
    checkLoaded(peers)
    return peers
  } catch (cause) {
    throw coreErrors.create('ERR_KNOWN_PEERS_STORE', `The list of known peers cannot be read: ${messageOf(cause)}`, { cause })
  }
}

function checkLoaded(peers: readonly KnownPeer[]): void {
  if (!Array.isArray(peers)) throw new TypeError('the store gave no list')
  const ids = new Set<string>()
  for (const peer of peers as ReadonlyArray<Partial<KnownPeer> | null>) {
    const { peerId, name, level, how, since, lastSeen, lastAddress } = peer ?? {}
    const texts = [name, how, lastAddress ?? ''].every((text) => typeof text === 'string')
    if (!isPeerId(peerId) || !texts || !LEVELS.includes(level) || !Number.isFinite(since) || !Number.isFinite(lastSeen))
      throw new TypeError('one of the entries is no known peer')
    if (ids.has(peerId)) throw new TypeError(`the peer ${peerId} is there twice`)
    ids.add(peerId)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
