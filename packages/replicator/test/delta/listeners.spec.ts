import { Database } from '@kithmesh/database'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import type { ReplicatorEndpoint, ReplicatorOptions } from '@kithmesh/replicator'
import { expect } from 'chai'
import { Network } from '../message-endpoint/transport.ts'

const PROSE = 'The large room on the second floor has a table for twelve, a screen, and windows to the yard. '.repeat(6)

describe('the switch for deltas', () => {
  let a: Database
  let b: Database
  let listener: UrlEndpointListener | undefined
  let network: Network | undefined

  beforeEach(async () => {
    a = await Database.open(':memory:')
    b = await Database.open(':memory:')
  })
  afterEach(async () => {
    await listener?.stop()
    await network?.listener.closeAll()
    listener = network = undefined
    await a.close()
    await b.close()
  })

  /** Body bytes that a change of one number costs, there and back. */
  async function cost(endpoint: ReplicatorEndpoint, options: Partial<ReplicatorOptions> = {}): Promise<[number, number]> {
    const once = async (): Promise<Replicator> => {
      const replicator = new Replicator({ database: a, endpoint, ...options })
      replicator.start()
      expect((await replicator.finished()).error).to.equal(undefined)
      return replicator
    }
    a.collection().put('doc', { n: 1, prose: PROSE })
    await once()
    a.collection().put('doc', { n: 2, prose: PROSE })
    const { bytesPushed } = (await once()).statistics
    expect(b.collection().get('doc')?.body).to.deep.equal({ n: 2, prose: PROSE })
    b.collection().put('doc', { n: 3, prose: PROSE })
    const { bytesPulled } = (await once()).statistics
    expect(a.collection().get('doc')?.body).to.deep.equal({ n: 3, prose: PROSE })
    return [bytesPushed, bytesPulled]
  }
  const overUrl = async (deltas?: boolean): Promise<ReplicatorEndpoint> => {
    listener = new UrlEndpointListener({
      databases: { db: b },
      host: '127.0.0.1',
      authenticator: 'insecure',
      ...(deltas !== undefined && { deltas })
    })
    await listener.start()
    return urlEndpoint(listener.urls[0] as string, { trust: { mode: 'self-signed' } })
  }
  const overMessages = (type: 'message-stream' | 'byte-stream', deltas?: boolean): ReplicatorEndpoint => {
    network = new Network(type, { database: b, ...(deltas !== undefined && { deltas }) }, {})
    return network.endpoint
  }
  const WHOLE = JSON.stringify({ n: 1, prose: PROSE }).length
  const DELTA = '{"n":2}'.length

  it('is on at replicators and off at a URL listener', async () => {
    expect(await cost(await overUrl())).to.deep.equal([WHOLE, WHOLE])
  })
  it('can be put on at a URL listener', async () => {
    expect(await cost(await overUrl(true))).to.deep.equal([DELTA, DELTA])
  })
  it('can be put off at a replicator', async () => {
    expect(await cost(await overUrl(true), { deltas: false })).to.deep.equal([WHOLE, WHOLE])
  })
  for (const type of ['message-stream', 'byte-stream'] as const) {
    it(`is off at a message endpoint listener, ${type}`, async () => {
      expect(await cost(overMessages(type))).to.deep.equal([WHOLE, WHOLE])
    })
    it(`can be put on at a message endpoint listener, ${type}`, async () => {
      expect(await cost(overMessages(type, true))).to.deep.equal([DELTA, DELTA])
    })
  }
})
