// What one client may take, and what all may take together: frames, documents, and messages that do not end.
import { setImmediate as turn } from 'node:timers/promises'
import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { expect } from 'chai'
import { HostileClient, MORE_COMING, encodeProperties } from '../cli/hostile-client.mjs'
import { eventually } from '../support/kithmesh.mjs'

const MIB = 1024 * 1024
const rev = (id) => encodeProperties({ Profile: 'rev', collection: '0', id, rev: '1-abcdef', sequence: '1' })

describe('the bounds of a listener', function () {
  this.timeout(60_000)
  let database
  let listener
  let clients = []

  beforeEach(async () => {
    database = await Database.open(':memory:')
    database.collection().put('ours', { n: 1 })
    listener = new UrlEndpointListener({
      databases: { db: database },
      host: '127.0.0.1',
      tls: 'off',
      authenticator: 'insecure',
      maxBufferedBytes: 32 * MIB
    })
    await listener.start()
  })
  afterEach(async () => {
    for (const client of clients) client.destroy()
    clients = []
    await listener.stop()
    await database.close()
  })

  const welcomed = async () => {
    const client = await HostileClient.open(listener.port, 'db')
    clients.push(client)
    await client.ask({ Profile: 'getCollections' }, '{"checkpoint_ids":["cp-hostile"],"collections":["_default"]}')
    return client
  }
  const servesOthers = async () => {
    const copy = await Database.open(':memory:')
    const replicator = new Replicator({ database: copy, endpoint: urlEndpoint(listener.urls[0]) })
    replicator.start()
    expect((await replicator.finished()).error).to.equal(undefined)
    expect(copy.collection().get('ours').body).to.deep.equal({ n: 1 })
    await copy.close()
  }

  it('end a connection at the head of a frame that is too large, without waiting for the rest', async () => {
    const client = await welcomed()
    client.announce(BigInt(2 * MIB))
    await eventually(() => client.over, 'the end of the connection')
    await servesOthers()
  })

  it('answer a document that one frame inflates to with 413', async () => {
    const client = await welcomed()
    const { number, reply } = client.begin()
    const zeros = Buffer.alloc(15 * MIB)
    expect(client.compressedFrame(number, 0, rev('large'), zeros, zeros)).to.be.below(MIB)
    expect(await reply).to.deep.include({ type: 'error', code: 413 })
    expect(database.collection().get('large')).to.equal(undefined)
    await servesOthers()
  })

  it('hold for all clients together, of which those that take the most go, though each alone takes what it may', async () => {
    const piece = Buffer.alloc(MIB / 2, 'x')
    const modest = await welcomed()
    const greedy = []
    for (let n = 0; n < 6; n++) greedy.push(await welcomed())
    for (const client of greedy) client.numbered = client.begin().number
    for (const client of greedy) client.frame(client.numbered, MORE_COMING, rev('never'))
    for (let sent = 0; sent < 12 * MIB; sent += piece.length)
      for (const client of greedy) {
        if (!client.over) client.frame(client.numbered, MORE_COMING, piece)
        await turn()
      }
    await eventually(() => greedy.filter(({ over }) => over).length >= 3, 'the end of those that are too many')
    expect(modest.over).to.equal(false)
    expect(
      await modest.ask({ Profile: 'getCollections' }, '{"checkpoint_ids":["cp-hostile"],"collections":["_default"]}')
    ).to.have.property('type')
    for (const client of greedy) client.destroy()
    await eventually(() => listener.status.connectionCount <= 1, 'the end of the connections')
    await servesOthers()
  })
})
