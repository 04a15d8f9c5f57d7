import { Database } from '@kithmesh/database'
import type { DocumentVersioning } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, socketEndpoint, urlEndpoint } from '@kithmesh/replicator'
import type { PassiveReplication, ReplicatorOptions } from '@kithmesh/replicator'
import { expect } from 'chai'

/** The table of litecore-observed.md, over real connections. */
describe('sub-protocols between databases of both kinds', () => {
  let databases: Database[]
  let listener: UrlEndpointListener | undefined
  let served: PassiveReplication[]

  beforeEach(() => {
    databases = []
    served = []
    listener = undefined
  })
  afterEach(async () => {
    await listener?.stop()
    for (const database of databases) await database.close()
  })

  const open = async (versioning: DocumentVersioning): Promise<Database> => {
    const database = await Database.open(':memory:', { versioning })
    databases.push(database)
    return database
  }
  const listen = async (database: Database, readOnly = false): Promise<string> => {
    listener = new UrlEndpointListener({ databases: { db: database }, host: '127.0.0.1', tls: 'off', authenticator: 'insecure', readOnly })
    listener.onConnection((replication) => served.push(replication))
    await listener.start()
    return listener.urls[0] as string
  }
  /** One run, and what was offered and agreed on in its only try. */
  const run = async (
    database: Database,
    url: string,
    type: NonNullable<ReplicatorOptions['type']>
  ): Promise<{ code: string | undefined; message: string; offers: (readonly string[])[]; agreed: string | undefined }> => {
    const offers: (readonly string[])[] = []
    let agreed: string | undefined
    const inner = urlEndpoint(url)
    const endpoint = socketEndpoint({
      uid: url,
      description: url,
      open: async (options) => {
        offers.push(options.protocols)
        const socket = await inner.open(options)
        agreed = socket.protocol
        return socket
      }
    })
    const replicator = new Replicator({ database, endpoint, type, maxAttempts: 3 })
    replicator.start()
    const { error } = await replicator.finished()
    return { code: error?.code, message: error?.message ?? '', offers, agreed }
  }

  const [V3, V4] = ['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_4']
  const table: {
    readonly client: DocumentVersioning
    readonly type: NonNullable<ReplicatorOptions['type']>
    readonly server: DocumentVersioning
    readonly readOnly?: boolean
    readonly offer: readonly string[]
    readonly agreed?: string
    readonly code?: string
  }[] = [
    { client: 'rev-trees', type: 'push-and-pull', server: 'rev-trees', offer: [V3], agreed: V3 },
    { client: 'rev-trees', type: 'pull', server: 'rev-trees', offer: [V3], agreed: V3 },
    { client: 'rev-trees', type: 'push', server: 'rev-trees', offer: [V4, V3], agreed: V3 },
    { client: 'rev-trees', type: 'push', server: 'version-vectors', offer: [V4, V3], agreed: V4 },
    { client: 'rev-trees', type: 'push-and-pull', server: 'version-vectors', offer: [V3], code: 'ERR_REPL_VERSIONING' },
    { client: 'rev-trees', type: 'pull', server: 'version-vectors', offer: [V3], code: 'ERR_REPL_VERSIONING' },
    { client: 'rev-trees', type: 'pull', server: 'rev-trees', readOnly: true, offer: [V3], agreed: V3 },
    { client: 'version-vectors', type: 'push-and-pull', server: 'version-vectors', offer: [V4], agreed: V4 },
    { client: 'version-vectors', type: 'pull', server: 'version-vectors', offer: [V4], agreed: V4 },
    { client: 'version-vectors', type: 'push', server: 'version-vectors', offer: [V4], agreed: V4 },
    { client: 'version-vectors', type: 'push-and-pull', server: 'rev-trees', offer: [V4], code: 'ERR_REPL_VERSIONING' },
    { client: 'version-vectors', type: 'push', server: 'rev-trees', offer: [V4], code: 'ERR_REPL_VERSIONING' },
    // As Couchbase Lite does: it agrees, and then refuses the subscription.
    { client: 'version-vectors', type: 'pull', server: 'rev-trees', readOnly: true, offer: [V4], agreed: V4, code: 'ERR_REPL_VERSIONING' }
  ]
  for (const { client, type, server, readOnly, offer, agreed, code } of table) {
    it(`${type} from ${client} with ${readOnly === true ? 'read-only ' : ''}${server}: ${code ?? agreed ?? ''}`, async () => {
      const [ours, theirs] = [await open(client), await open(server)]
      ours.collection().put('ours', { x: 1 })
      theirs.collection().put('theirs', { x: 1 })
      const outcome = await run(ours, await listen(theirs, readOnly), type)
      // One try: what does not fit is no reason to try again.
      expect(outcome.offers).to.deep.equal([offer])
      expect(outcome.agreed).to.equal(agreed)
      expect(outcome.code).to.equal(code)
      if (code !== undefined) {
        for (const replication of served) expect((await replication.ended).error?.code).to.equal(code)
        expect(ours.collection().count + theirs.collection().count).to.equal(2)
        return
      }
      const names = (database: Database): string[] =>
        database
          .collection()
          .changes()
          .map(({ id }) => id)
          .sort()
      expect(names(ours)).to.deep.equal(type === 'push' ? ['ours'] : ['ours', 'theirs'])
      expect(names(theirs)).to.deep.equal(type === 'pull' ? ['theirs'] : ['ours', 'theirs'])
    })
  }

  it('says what each side has when they differ', async () => {
    const outcome = await run(await open('rev-trees'), await listen(await open('version-vectors')), 'push-and-pull')
    expect(outcome.message).to.include('revision trees').and.to.include('version vectors')
  })
})
