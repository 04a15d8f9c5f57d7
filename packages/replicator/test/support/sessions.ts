import type { KithmeshError } from '@kithmesh/core'
import { silentLogger } from '@kithmesh/core'
import type { DocumentEvent, Scheduler, SessionCollection } from '../../dist/protocol/context.js'
import { ReplicationSession } from '../../dist/protocol/session.js'
import type { ActiveSessionOptions, PassiveSessionOptions } from '../../dist/protocol/session-options.js'
import { BlipPair } from './blip-pair.ts'
import type { FakePeer } from './blip-pair.ts'
import type { ReplicationCollection, ReplicationStore } from '@kithmesh/database/replication'

const immediate: Scheduler = {
  soon: (run) => {
    setImmediate(run)
  }
}

export interface Ended {
  readonly error: KithmeshError | undefined
  readonly transient: boolean
}

export interface Running {
  readonly session: ReplicationSession
  readonly documents: DocumentEvent[]
  readonly ended: Promise<Ended>
  result: Ended | undefined
}

export type ActiveSettings = Partial<Omit<ActiveSessionOptions, 'collections'>> & { collections?: readonly Partial<SessionCollection>[] }

function running(make: (events: ActiveSessionOptions['events']) => ReplicationSession): Running {
  const documents: DocumentEvent[] = []
  let finish!: (ended: Ended) => void
  const ended = new Promise<Ended>((resolve) => {
    finish = resolve
  })
  const result: { -readonly [K in keyof Running]: Running[K] } = {
    session: undefined as unknown as ReplicationSession,
    documents,
    ended,
    result: undefined
  }
  result.session = make({
    documents: (events) => {
      documents.push(...events)
    },
    ended: (error, transient) => {
      result.result = { error, transient }
      finish(result.result)
    }
  })
  return result
}

export function activeSession(blip: FakePeer, store: ReplicationStore, settings: ActiveSettings = {}): Running {
  const { collections, ...rest } = settings
  return running(
    (events) =>
      new ReplicationSession({
        role: 'active',
        blip,
        store,

        scheduler: immediate,
        logger: silentLogger,
        now: Date.now,
        events,
        push: true,
        pull: true,
        continuous: false,
        remoteUid: 'peer-b',
        ...rest,
        collections: (collections ?? [{}]).map((settings) => ({
          collection: store.collection('_default', '_default') as ReplicationCollection,
          ...settings
        }))
      })
  )
}

export function passiveSession(blip: FakePeer, store: ReplicationStore, settings: Partial<PassiveSessionOptions> = {}): Running {
  return running(
    (events) =>
      new ReplicationSession({
        role: 'passive',
        blip,
        store,

        scheduler: immediate,
        logger: silentLogger,
        now: Date.now,
        events,
        allowPush: true,
        allowPull: true,
        collection: ({ scope, name }) => {
          const collection = store.collection(scope, name)
          return collection === undefined ? undefined : { collection }
        },
        ...settings
      })
  )
}

/** One whole one-shot replication between two stores. */
export async function replicate(
  a: ReplicationStore,
  b: ReplicationStore,
  settings: ActiveSettings = {},
  passive: Partial<PassiveSessionOptions> = {}
): Promise<{ pair: BlipPair; active: Running; passive: Running } & Ended> {
  const pair = new BlipPair()
  const passiveSide = passiveSession(pair.b, b, passive)
  const activeSide = activeSession(pair.a, a, settings)
  activeSide.session.start()
  const ended = await activeSide.ended
  await passiveSide.ended
  return { pair, active: activeSide, passive: passiveSide, ...ended }
}

/** Answers what a session that pulls asks at its beginning; resolves once it has subscribed. */
export function answerBeginning(peer: FakePeer): Promise<void> {
  peer.handle('getCollections', (request) => {
    request.respond({ body: Buffer.from('[{}]') })
  })
  peer.handle('setCheckpoint', (request) => {
    request.respond({ properties: { rev: '0-1' } })
  })
  return new Promise((resolve) => {
    peer.handle('subChanges', (request) => {
      request.respond()
      resolve()
    })
  })
}
