import { Database } from '@kithmesh/database'
import { MessageEndpointListener, Replicator, UrlEndpointListener, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import type { WireOptions } from '@kithmesh/replicator'
import { memorySocketPair } from '@kithmesh/testkit/memory'
import { expect } from 'chai'

const TEXT = 'the same words again and again, '.repeat(300)

describe('what the options say of the wire', () => {
  /** The bytes that a document of 9.6 KB took to the peer: pushed by a replicator, or pulled from what serves. */
  async function bytesFor(side: 'pushed' | 'pulled', options: WireOptions): Promise<number> {
    const [here, there] = [await Database.open(':memory:'), await Database.open(':memory:')]
    try {
      const from = side === 'pushed' ? here : there
      from.collection().put('doc', { text: TEXT })
      const [near, far] = memorySocketPair()
      const served = serveReplication(far, { database: there, ...(side === 'pulled' && options) })
      const replicator = new Replicator({
        database: here,
        endpoint: socketEndpoint({ uid: 'there', open: () => Promise.resolve(near) }),
        ...(side === 'pushed' && options)
      })
      replicator.start()
      expect((await replicator.finished()).error).to.equal(undefined)
      await served.ended
      const to = side === 'pushed' ? there : here
      expect(to.collection().get('doc')?.body).to.deep.equal({ text: TEXT })
      return side === 'pushed' ? near.sentBytes : far.sentBytes
    } finally {
      await here.close()
      await there.close()
    }
  }

  for (const side of ['pushed', 'pulled'] as const) {
    it(`a document that is ${side} is compressed, unless compressionLevel is 0 or it is shorter than compressFromBytes`, async () => {
      expect(await bytesFor(side, {})).to.be.below(2000)
      expect(await bytesFor(side, { compressionLevel: 0 })).to.be.above(TEXT.length)
      expect(await bytesFor(side, { compressFromBytes: 20_000 })).to.be.above(TEXT.length)
      expect(await bytesFor(side, { compressFromBytes: 9_000 })).to.be.below(2000)
    })
  }

  it('is refused where it is given when it makes no sense', async () => {
    const database = await Database.open(':memory:')
    const endpoint = socketEndpoint({ uid: 'there', open: () => Promise.reject(new Error('never asked')) })
    const makers: Readonly<Record<string, (options: WireOptions) => unknown>> = {
      replicator: (options) => new Replicator({ database, endpoint, ...options }),
      listener: (options) => new UrlEndpointListener({ databases: { shop: database }, authenticator: 'insecure', ...options }),
      messages: (options) => new MessageEndpointListener({ database, ...options }),
      served: (options) => serveReplication(memorySocketPair()[0], { database, ...options })
    }
    const senseless: readonly WireOptions[] = [
      { compressionLevel: 10 },
      { compressionLevel: -1 },
      { compressionLevel: 1.5 },
      { compressFromBytes: -1 },
      { compressFromBytes: Number.NaN },
      { maxDocumentBytes: 0 },
      { maxDocumentBytes: Infinity }
    ]
    for (const [name, make] of Object.entries(makers))
      for (const options of senseless) expect(() => make(options), name).to.throw(TypeError, Object.keys(options)[0])
    await database.close()
  })
})
