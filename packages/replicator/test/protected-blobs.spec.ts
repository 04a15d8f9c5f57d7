import { expect } from 'chai'
import type { Reply } from '@kithmesh/blip'
import { eventually } from '@kithmesh/testkit'
import { attachmentProof } from '../dist/protocol/serve-attachment.js'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore, digestOf } from './support/memory-store.ts'
import { passiveSession, replicate } from './support/sessions.ts'

describe('blobs that are protected', () => {
  let a: MemoryStore
  let b: MemoryStore
  const secret = Buffer.from('a secret')
  const digest = digestOf(secret)
  const body = { photo: { '@type': 'blob', digest, length: secret.length } }

  beforeEach(() => {
    a = new MemoryStore()
    b = new MemoryStore()
    b.blobs.put(secret)
    b.default.put('theirs', body)
  })

  const count = (pair: BlipPair, profile: string): number => pair.seen.filter((message) => message.profile === profile).length

  it('go to who pulls their document', async () => {
    const { error } = await replicate(a, b, {}, { protectBlobs: true })
    expect(error).to.equal(undefined)
    expect(a.blobs.stored.get(digest)).to.deep.equal(secret)
  })

  it('are shown to be known by who pushes another document with them, once', async () => {
    a.blobs.put(secret)
    a.default.put('mine', body)
    const { error, pair } = await replicate(a, b, { pull: false }, { protectBlobs: true })
    expect(error).to.equal(undefined)
    expect(b.default.snapshot()).to.have.keys('mine', 'theirs')
    expect([count(pair, 'proveAttachment'), count(pair, 'getAttachment')]).to.deep.equal([1, 0])
    a.default.put('mine', { ...body, again: true })
    const again = await replicate(a, b, { pull: false }, { protectBlobs: true })
    expect(count(again.pair, 'rev')).to.equal(1)
    expect(count(again.pair, 'proveAttachment')).to.equal(0)
  })

  it('are not asked about where all may see all', async () => {
    a.blobs.put(secret)
    a.default.put('mine', body)
    const { pair } = await replicate(a, b, { pull: false })
    expect(count(pair, 'proveAttachment')).to.equal(0)
  })

  describe('from a peer that knows no more than the digest', () => {
    let pair: BlipPair
    const ask = (profile: string, properties: Record<string, string>, content = Buffer.alloc(0)): Promise<Reply> =>
      new Promise((resolve) => {
        pair.a.request({ profile, properties, body: content }, resolve)
      })
    const push = (): Promise<Reply> => ask('rev', { id: 'mine', rev: '1-aa' }, Buffer.from(JSON.stringify(body)))

    beforeEach(() => {
      pair = new BlipPair()
      passiveSession(pair.b, b, { protectBlobs: true })
    })
    afterEach(() => {
      pair.cut()
    })

    it('are not to be had', async () => {
      expect(await ask('getAttachment', { digest, docID: 'theirs' })).to.include({ kind: 'error', code: 403 })
      expect(await ask('getAttachment', { digest })).to.include({ kind: 'error', code: 400 })
    })

    it('are to be had only while their document waits for its answer, and not by the name of another', async () => {
      const other = digestOf(b.blobs.stored.get(b.blobs.put(Buffer.from('other'))) ?? Buffer.alloc(0))
      const codes: unknown[] = []
      let done = false
      pair.a.handle('changes', (request) => {
        request.respond({ properties: { blobs: 'true' }, body: Buffer.from('[[]]') })
      })
      pair.a.handle('rev', (request) => {
        void (async () => {
          for (const [docID, wanted] of [
            ['theirs', digest],
            ['theirs', other],
            ['else', digest]
          ] as const) {
            const reply = await ask('getAttachment', { digest: wanted, docID })
            codes.push(reply.kind === 'error' ? reply.code : reply.kind)
          }
          request.respond()
          await eventually('the answer to arrive', () => pair.b.unansweredRequests === 0)
          codes.push(((await ask('getAttachment', { digest, docID: 'theirs' })) as { code?: number }).code)
          done = true
        })()
      })
      await ask('subChanges', {})
      await eventually('the end', () => done)
      expect(codes).to.deep.equal(['ok', 403, 403, 403])
    })

    it('cannot be claimed with a wrong proof, nor with an answer that is none', async () => {
      for (const answer of ['sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=', '']) {
        pair.a.handle('proveAttachment', (request) => {
          request.respond({ body: Buffer.from(answer) })
        })
        expect(await push()).to.include({ kind: 'error', code: 403 })
      }
      pair.a.handle('proveAttachment', (request) => {
        request.respondError('HTTP', 503, 'later')
      })
      expect(await push()).to.include({ kind: 'error', code: 503 })
      expect(b.default.snapshot()).to.have.keys('theirs')
    })

    it('are asked for in full from a peer that cannot prove', async () => {
      pair.a.handle('getAttachment', (request) => {
        request.respond({ body: Buffer.from('a forgery') })
      })
      expect(await push()).to.include({ kind: 'error', code: 400 })
      pair.a.handle('getAttachment', (request) => {
        request.respond({ body: secret })
      })
      expect((await push()).kind).to.equal('ok')
      expect(b.default.snapshot()).to.have.keys('mine', 'theirs')
    })

    it('are proven with a nonce of 20 bytes that is another one each time', async () => {
      const nonces: string[] = []
      pair.a.handle('proveAttachment', (request) => {
        nonces.push(request.body.toString('hex'))
        void attachmentProof(request.body, [secret]).then((proof) => {
          request.respond({ body: Buffer.from(proof) })
        })
      })
      expect((await push()).kind).to.equal('ok')
      await ask('rev', { id: 'another', rev: '1-bb' }, Buffer.from(JSON.stringify(body)))
      expect(nonces.map(({ length }) => length)).to.deep.equal([40, 40])
      expect(new Set(nonces).size).to.equal(2)
    })
  })
})
