import { expect } from 'chai'
import { Database } from '@kithmesh/database'
import { replicationStore } from '@kithmesh/database/replication'
import type { ReplicationCollection } from '@kithmesh/database/replication'
import type { IncomingRequest, OutgoingRequest, Reply } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import { BlipPair } from './support/blip-pair.ts'
import { activeSession, answerBeginning } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'

/** What a peer may say between the announcement of a document and the answer to it. */
describe('documents on their way to a peer that talks about them meanwhile', () => {
  let database: Database
  let items: ReplicationCollection
  let pair: BlipPair
  let active: Running
  let held: IncomingRequest[]
  let holding: boolean
  let resolve: (() => void) | undefined

  const send = (request: OutgoingRequest): Promise<Reply> =>
    new Promise((done) => {
      pair.b.request({ ...request, properties: { collection: '0', ...request.properties } }, done)
    })
  const announce = (sequence: number, revId: string): Promise<Reply> =>
    send({ profile: 'changes', body: Buffer.from(JSON.stringify([[sequence, 'doc', revId]])) })
  const rev = (sequence: number, revId: string, history: string): Promise<Reply> =>
    send({
      profile: 'rev',
      properties: { id: 'doc', rev: revId, sequence: String(sequence), ...(history !== '' && { history }) },
      body: Buffer.from('{"from":"peer"}')
    })
  const accept = (request: IncomingRequest): void => {
    const rows = JSON.parse(request.body.toString()) as unknown[]
    request.respond({ body: Buffer.from(JSON.stringify(rows.map(() => 0))) })
  }
  const progress = () => {
    const found = active.session.collections[0]?.pushProgress
    if (found === undefined) throw new Error('the session does not push')
    return found
  }
  const put = (id: string, n: number): string => database.collection().put(id, { n }).revId
  const scannedTo = (sequence: number): Promise<true> =>
    eventually(`the scan up to ${sequence}`, () => progress().scannedTo === sequence && items.lastSequence === sequence)

  beforeEach(async () => {
    database = await Database.open(':memory:')
    const store = replicationStore(database)
    items = store.collection('_default', '_default') as ReplicationCollection
    pair = new BlipPair()
    held = []
    holding = true
    const subscribed = answerBeginning(pair.b)
    pair.b.handle('proposeChanges', accept)
    pair.b.handle('rev', (request) => {
      if (holding) held.push(request)
      else request.respond()
    })
    resolve = undefined
    const slow = new Promise<void>((done) => {
      resolve = done
    })
    const conflictResolver = async () => {
      await slow
      return { take: 'local' } as const
    }
    active = activeSession(pair.a, store, { continuous: true, collections: [{ conflictResolver }] })
    active.session.start()
    await subscribed
  })
  afterEach(async () => {
    active.session.close(1000)
    await active.ended
    await database.close()
  })

  it('forget none of the changes that waited behind them', async () => {
    const first = put('doc', 1)
    await eventually('the first revision', () => held.length === 1)
    const second = put('doc', 2)
    await scannedTo(2)
    resolve?.()
    await announce(1, '1-ff')
    await rev(1, '1-ff', '')
    await eventually('the resolution', () => items.conflict('doc') === undefined && items.lastSequence > 3)
    await scannedTo(4)
    // From now on the change that waits is not the newest: the peer has made one of its own above it.
    await announce(2, '3-ee')
    await rev(2, '3-ee', `${items.change('doc')?.revId ?? second},${first}`)
    await scannedTo(5)
    await announce(3, '1-ff')
    holding = false
    for (const request of held) request.respond()
    await eventually('the end of all changes', () => progress().pendingCount === 0)
    expect(progress().completed()).to.deep.equal([[0, items.lastSequence + 1]])
  })

  it('in conflict do not count as waiting when the peer names its side again', async () => {
    holding = false
    put('doc', 1)
    await eventually('the push', () => progress().pendingCount === 0 && progress().scannedTo === 1)
    await announce(1, '1-00')
    await rev(1, '1-00', '')
    await scannedTo(2)
    expect(items.change('doc')?.conflicted).to.equal(true)
    await announce(2, '1-00')
    put('next', 1)
    await scannedTo(3)
    resolve?.()
    await eventually('the resolution', () => items.conflict('doc') === undefined)
    await scannedTo(4)
    await eventually('the end of all changes', () => progress().pendingCount === 0)
    expect(progress().completed()).to.deep.equal([[0, 5]])
  })
})
