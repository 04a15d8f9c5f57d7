import type { KeyObject } from 'node:crypto'
import { type Logger, ListState, type ObservableList, silentLogger } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import type { Authenticator } from '../authenticators.ts'
import { parseCertificates, peerIdOf } from '../certificates.ts'
import { identityErrors } from '../errors.ts'
import { type Revocation, isSignedWith, parseRevocation } from './revocation.ts'
import { sha256 } from './transcript.ts'

const MAX_AT_ONCE = 1000

/** Where revocations survive a restart, e.g. `openKnownPeers(file).revocations`. Calls never overlap. */
export interface RevocationStore {
  load(): Promise<readonly Revocation[]>
  /** Replaces what is stored, all or nothing. */
  save(revocations: readonly Revocation[]): Promise<void>
}

export interface RevocationListOptions {
  /** Whose revocations are believed, PEM; usually those that `trustedAuthorities` is given. */
  readonly authorities: readonly string[]
  /** Without it the list lasts as long as the object. */
  readonly store?: RevocationStore
  /** At most so many are kept; more are refused and reported. @default 10000 */
  readonly limit?: number
  readonly logger?: Logger
}

/**
 * The revocations that this device believes: those of its authorities, verified one by one, whoever passed them on. The first one for a peer stays; there is no taking back.
 *
 * @example
 * const revocations = new RevocationList({ authorities: [authorityPem], store: openKnownPeers('known-peers.json').revocations })
 * await revocations.start()
 * const authenticator = allOf(revocations.authenticator, trustedAuthorities([authorityPem]))
 */
export class RevocationList {
  /** Public keys by peer id. */
  readonly #authorities: ReadonlyMap<string, KeyObject>
  readonly #store: RevocationStore | undefined
  readonly #limit: number
  readonly #logger: Logger
  readonly #entries = new Map<string, Revocation>()
  readonly #list: ListState<Revocation>
  #starting: Promise<void> | undefined
  #writing: Promise<void> = Promise.resolve()
  #digest: string | undefined

  /** @throws ERR_IDENTITY_LOAD for a malformed certificate of an authority; TypeError for a limit that makes no sense */
  constructor({ authorities, store, limit = 10_000, logger = silentLogger }: RevocationListOptions) {
    checkPositive({ limit }, 'limit')
    const certificates = authorities.flatMap((pem) => parseCertificates(pem))
    this.#authorities = new Map(certificates.map(({ raw, publicKey }) => [peerIdOf(raw), publicKey]))
    this.#store = store
    this.#limit = limit
    this.#logger = logger
    this.#list = new ListState(() => [...this.#entries.values()], logger)
  }

  /**
   * Reads the store. What is there of authorities that are no longer believed has no effect, and is dropped with the next write. Idempotent; a failed start can be repeated.
   * @throws ERR_IDENTITY_KNOWN_PEERS when the store is damaged or cannot be read
   */
  start(): Promise<void> {
    this.#starting ??= this.#load().catch((error: unknown) => {
      this.#starting = undefined
      throw error
    })
    return this.#starting
  }

  get list(): ObservableList<Revocation> {
    return this.#list
  }

  /** The same text on all devices that have the same revocations, whatever order they came in. */
  get digest(): string {
    this.#digest ??= sha256(Buffer.from([...this.#entries.keys()].sort().join())).toString('hex')
    return this.#digest
  }

  /** What is known against a peer. */
  get(peerId: string): Revocation | undefined {
    return this.#entries.get(peerId)
  }

  /**
   * Takes what somebody passed on: forged, malformed, known and unbelieved ones are left out, and what comes after the first thousand. New ones count at once.
   * @returns the new ones, to be passed on in turn; when they are stored
   * @throws ERR_IDENTITY_KNOWN_PEERS when they cannot be stored; they count nevertheless
   */
  async add(candidates: Iterable<unknown>): Promise<readonly Revocation[]> {
    const added: Revocation[] = []
    let seen = 0
    for (const candidate of candidates) {
      if (++seen > MAX_AT_ONCE) break
      const revocation = parseRevocation(candidate)
      if (revocation === undefined || this.#entries.has(revocation.peerId) || !this.#authorities.has(revocation.authority)) continue
      if (this.#entries.size >= this.#limit) {
        this.#logger.error('there are too many revocations, one is not kept', { limit: this.#limit, peerId: revocation.peerId })
        break
      }
      if (!this.#isGenuine(revocation)) continue
      this.#enter(revocation)
      added.push(revocation)
    }
    if (added.length > 0) {
      this.#list.changed()
      await this.#save()
    }
    return added
  }

  /**
   * Refuses whoever is revoked, or was certified by somebody who is; accepts all others, so put it into {@link allOf} with what decides about those.
   * To revoke an authority itself, take it out of the list of authorities.
   */
  get authenticator(): Authenticator {
    return {
      name: 'revocations',
      check: ({ peerId, chain }) => {
        for (const id of [peerId, ...chain.map((der) => peerIdOf(der))]) {
          const found = this.#entries.get(id)
          if (found === undefined) continue
          const when = new Date(found.issuedAt).toISOString()
          throw new Error(
            `${id === peerId ? 'it' : 'the authority that certified it'} was revoked at ${when}: ${found.reason || 'no reason given'}`
          )
        }
        return true
      }
    }
  }

  #isGenuine(revocation: Revocation): boolean {
    const key = this.#authorities.get(revocation.authority)
    return key !== undefined && isSignedWith(key, revocation)
  }

  #enter(revocation: Revocation): void {
    this.#entries.set(revocation.peerId, Object.freeze(revocation))
    this.#digest = undefined
  }

  async #load(): Promise<void> {
    const stored = (await this.#store?.load()) ?? []
    for (const each of stored) {
      const revocation = parseRevocation(each)
      if (revocation === undefined || this.#entries.has(revocation.peerId)) continue
      if (this.#entries.size < this.#limit && this.#isGenuine(revocation)) this.#enter(revocation)
    }
    this.#list.changed()
  }

  /** One write at a time, of what there is when it begins. */
  #save(): Promise<void> {
    const store = this.#store
    if (store === undefined) return Promise.resolve()
    if (this.#starting === undefined)
      return Promise.reject(
        identityErrors.create('ERR_IDENTITY_KNOWN_PEERS', 'The list of revocations was not started, so nothing is stored')
      )
    const written = this.#writing.then(async () => {
      await this.#starting
      await store.save([...this.#entries.values()])
    })
    this.#writing = written.catch(() => {})
    return written
  }
}
