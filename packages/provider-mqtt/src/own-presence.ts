import { randomBytes } from 'node:crypto'
import type { NetworkFacts, PublishOptions } from '@kithmesh/core'
import type { Will } from './broker-session.ts'
import type { Group } from './group.ts'
import type { Signer } from './identity-signature.ts'
import { publishableRoutes } from './network-json.ts'
import { encodeGone, encodePresence } from './presence-statement.ts'
import type { BrokerConnection, Statement } from './presence-statement.ts'

export interface OwnPresenceOptions {
  readonly signer: Signer
  readonly group: Group
  /** 32 bytes. */
  readonly inboxKey: Buffer
  readonly startedAt: number
  readonly ttlMs: number
  readonly clockSkewMs: number
}

/** What has to be done after something was seen on our own presence topic. */
export type OwnTopicVerdict = 'fine' | 'publish again' | 'another program'

/** The statements of this device during one run: their order, and what they say. */
export class OwnPresence {
  readonly topic: string
  readonly #options: OwnPresenceOptions
  readonly #epoch = randomBytes(8).toString('hex')
  #startedAt: number
  #sequence = 0

  constructor(options: OwnPresenceOptions) {
    this.#options = options
    this.#startedAt = options.startedAt
    this.topic = options.group.presenceTopic(options.signer.peerId)
  }

  get startedAt(): number {
    return this.#startedAt
  }

  presence(via: BrokerConnection, publication: PublishOptions, facts: NetworkFacts, inboxTags: readonly string[], now: number): Buffer {
    const { signer, group, inboxKey, ttlMs } = this.#options
    const bytes = encodePresence(signer, group.id, {
      ...this.#order(++this.#sequence),
      via,
      time: now,
      ttlMs,
      displayName: publication.displayName,
      metadata: publication.metadata,
      inboxKey,
      inboxTags,
      facts: { ...facts, routes: publishableRoutes(facts.routes) },
      port: publication.port
    })
    return group.wrap(this.topic, bytes)
  }

  /** Takes back everything said so far. */
  gone(): Buffer {
    const { signer, group } = this.#options
    return group.wrap(this.topic, encodeGone(signer, group.id, { ...this.#order(++this.#sequence), via: undefined }))
  }

  /** Takes back what was said over one connection. */
  will(via: BrokerConnection): Will {
    const { signer, group, ttlMs, clockSkewMs } = this.#options
    return {
      topic: this.topic,
      payload: group.wrap(this.topic, encodeGone(signer, group.id, { ...this.#order(0), via })),
      expirySeconds: Math.ceil((ttlMs + 2 * clockSkewMs) / 1000)
    }
  }

  /**
   * Judges what is on our topic: a last will of an old connection, or of an old run, replaces what the broker had kept of us; a statement of
   * another run may be newer than ours because the clock was set back. Such a run is overtaken.
   * @param statement verified to be signed by this device
   * @param current the connection that it came over
   */
  judge(statement: Statement, retained: boolean, current: BrokerConnection, now: number): OwnTopicVerdict {
    if (statement.epoch === this.#epoch) {
      const outdated = statement.via !== undefined && statement.via.tag === current.tag && statement.via.number < current.number
      return statement.kind === 'gone' && outdated ? 'publish again' : 'fine'
    }
    if (statement.startedAt >= this.#startedAt && statement.startedAt < now + this.#options.clockSkewMs) {
      this.#startedAt = statement.startedAt + 1
      return retained ? 'publish again' : 'another program'
    }
    if (statement.kind === 'gone') return 'publish again'
    return retained ? 'fine' : 'another program'
  }

  #order(sequence: number): { startedAt: number; epoch: string; sequence: number } {
    return { startedAt: this.#startedAt, epoch: this.#epoch, sequence }
  }
}
