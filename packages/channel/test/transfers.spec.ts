import { createHash } from 'node:crypto'
import { mkdtemp, readFile, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { type DataOffer, type DataSink, type Transfer, safeName } from '@kithmesh/channel'
import { eventually, manualClock, rejection, within } from '@kithmesh/testkit'
import { Pair, channelOf, hostileOf } from './support/pair.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => ((await rejection(promise)) as { code?: string }).code
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const turn = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve)
  })

/** Bytes that are different at every offset. */
function bytesOf(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length)
  for (let i = 0, value = seed; i < length; i++) {
    value = (value * 1_103_515_245 + 12_345) & 0x7fffffff
    bytes[i] = value >> 16
  }
  return bytes
}

/** Collects what arrives. */
class Collector implements DataSink {
  readonly chunks: Buffer[] = []
  ended = false
  error: Error | undefined

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  write(bytes: Buffer): void {
    this.chunks.push(bytes)
  }

  end(): undefined {
    this.ended = true
  }

  abort(error: Error): void {
    this.error = error
  }
}

const small = { chunkBytes: 1000, chunksAhead: 4 }

describe('files and streams between two channels', () => {
  let pair: Pair
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kithmesh-channel-'))
  })

  afterEach(async () => {
    pair.wire.cut()
    pair.a.close()
    pair.b.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** A channel at each end, and what the second one is offered first. */
  function offered(): Promise<DataOffer> {
    return new Promise((resolve) => {
      pair.b.setHandler('data', resolve)
    })
  }

  it('are stored as files, with their digests', async () => {
    const content = bytesOf(1_500_000)
    await writeFile(join(directory, 'photo.jpg'), content)
    pair = new Pair()
    pair.join()
    const offer = offered()
    const sent = pair.a.sendFile(join(directory, 'photo.jpg'), { contentType: 'image/jpeg', info: { album: 3 } })
    const { name, size, sha256: digest, contentType, info, peerId } = await offer
    expect({ name, size, contentType, info, peerId }).to.deep.equal({
      name: 'photo.jpg',
      size: content.length,
      contentType: 'image/jpeg',
      info: { album: 3 },
      peerId: pair.b.peerId
    })
    expect(digest).to.equal(sha256(content))
    const received = (await offer).save({ directory })
    const progress: number[] = []
    received.onProgress(({ transferred }) => progress.push(transferred))
    expect(await received.finished).to.deep.equal({ bytes: content.length, sha256: digest, path: join(directory, 'photo (1).jpg') })
    expect(await sent.finished).to.deep.equal({ bytes: content.length, sha256: digest })
    expect(await readFile(join(directory, 'photo (1).jpg'))).to.deep.equal(content)
    expect(progress).to.deep.equal([...progress].sort((a, b) => a - b))
    expect([received.state, sent.state, received.transferred, sent.transferred]).to.deep.equal([
      'done',
      'done',
      content.length,
      content.length
    ])
    expect((await readdir(directory)).sort()).to.deep.equal(['photo (1).jpg', 'photo.jpg'])
    expect([...pair.a.transfers, ...pair.b.transfers]).to.deep.equal([])
  })

  it('are sent from anything that gives bytes, and read in a loop', async () => {
    pair = new Pair({}, { limits: small })
    pair.join()
    const offer = offered()
    const content = bytesOf(20_000)
    const sent = pair.a.sendStream(
      (async function* () {
        for (let from = 0; from < content.length; from += 777) yield content.subarray(from, from + 777)
      })(),
      { name: 'log' }
    )
    const pieces: Buffer[] = []
    for await (const piece of (await offer).read()) pieces.push(piece)
    expect(Buffer.concat(pieces).equals(content)).to.equal(true)
    expect(await sent.finished).to.deep.equal({ bytes: 20_000, sha256: sha256(content) })
  })

  it('go into a stream', async () => {
    pair = new Pair({}, { limits: small })
    pair.join()
    const offer = offered()
    const content = bytesOf(50_000)
    pair.a.sendStream([content], { size: content.length })
    const through = new PassThrough({ highWaterMark: 100 })
    const { finished } = (await offer).pipe(through)
    const pieces: Buffer[] = []
    for await (const piece of through) pieces.push(piece as Buffer)
    expect(Buffer.concat(pieces).equals(content)).to.equal(true)
    await finished
  })

  it('may be empty', async () => {
    await writeFile(join(directory, 'empty'), '')
    pair = new Pair()
    pair.join()
    for (const send of [() => pair.a.sendFile(join(directory, 'empty')), () => pair.a.sendStream([])]) {
      const offer = offered()
      const sent = send()
      const sink = new Collector()
      expect(await (await offer).accept(sink).finished).to.deep.equal({ bytes: 0, sha256: sha256(Buffer.alloc(0)) })
      await sent.finished
      expect(sink.ended).to.equal(true)
    }
  })

  it('arrive whole, wherever the connections are cut', async () => {
    pair = new Pair()
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          sizes: fc.array(fc.integer({ min: 0, max: 60_000 }), { minLength: 1, maxLength: 5 }),
          back: fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 3 }),
          piece: fc.integer({ min: 1, max: 5000 }),
          chunkBytes: fc.integer({ min: 200, max: 8000 }),
          chunksAhead: fc.integer({ min: 1, max: 8 }),
          connections: fc.array(fc.record({ frames: fc.integer({ min: 1, max: 60 }), overlap: fc.boolean() }), { maxLength: 8 }),
          slowness: fc.integer({ min: 0, max: 3 })
        }),
        async ({ sizes, back, piece, chunkBytes, chunksAhead, connections, slowness }) => {
          const limits = { chunkBytes, chunksAhead }
          const own = new Pair({ limits }, { limits })
          const results: Promise<unknown>[] = []
          for (const [from, to, lengths] of [
            [own.a, own.b, sizes],
            [own.b, own.a, back]
          ] as const) {
            to.setHandler('data', (offer) => {
              const chunks: Buffer[] = []
              const { finished } = offer.accept({
                write: async (bytes) => {
                  for (let i = 0; i < slowness; i++) await turn()
                  chunks.push(bytes)
                }
              })
              const check = finished.then(() => {
                const expected = bytesOf(lengths[offer.info['number'] as number]!, offer.info['number'] as number)
                expect(Buffer.concat(chunks).equals(expected)).to.equal(true)
              })
              results.push(check)
              check.catch(() => {})
            })
            for (const [number, length] of lengths.entries()) {
              const content = bytesOf(length, number)
              results.push(
                from.sendStream(
                  (async function* () {
                    for (let at = 0; at < content.length; at += piece) yield content.subarray(at, at + piece)
                  })(),
                  { info: { number } }
                ).finished
              )
            }
          }
          const sent = results.length
          const wires = []
          for (const { frames, overlap } of connections) {
            own.join()
            wires.push(own.wire)
            own.wire.cutAfter = frames
            for (let i = 0; i < 200 && !own.wire.over; i++) await turn()
            if (!overlap) own.wire.cut()
          }
          own.join()
          wires.push(own.wire)
          await within(
            (async () => {
              for (let settled = 0; settled < results.length || results.length < 2 * sent; settled = results.length)
                await Promise.all(results)
            })(),
            20_000,
            'the arrival of everything'
          )
          expect(results).to.have.length(2 * sent)
          for (const wire of wires) wire.cut()
        }
      ),
      { numRuns: 80, endOnFailure: true }
    )
  })

  it('go on where they were over the next connection', async () => {
    const content = bytesOf(3_000_000)
    await writeFile(join(directory, 'film'), content)
    pair = new Pair()
    pair.join()
    const offer = offered()
    const sent = pair.a.sendFile(join(directory, 'film'))
    const received = (await offer).saveAs(join(directory, 'copy'))
    let bytes = 0
    for (let i = 1; i < 4; i++) {
      await eventually('some of it', () => received.transferred > i * 500_000)
      pair.wire.cut()
      bytes += pair.wire.bytes
      pair.join()
    }
    await received.finished
    await sent.finished
    bytes += pair.wire.bytes
    expect(await readFile(join(directory, 'copy'))).to.deep.equal(content)
    // At most what was under way is sent twice.
    expect(bytes).to.be.below(content.length + 4 * 8 * 262_144)
  })

  it('go on where they were after a restart of the receiver, or of the sender', async () => {
    const content = bytesOf(2_000_000)
    await writeFile(join(directory, 'film'), content)
    pair = new Pair({}, { limits: small })
    pair.join()
    let offer = offered()
    pair.a.sendFile(join(directory, 'film'))
    const received = (await offer).save({ directory: await mkdtemp(join(directory, 'in-')) })
    await eventually('some of it', () => received.transferred > 700_000)
    pair.wire.cut()
    const target = join(directory, (await readdir(directory)).find((name) => name.startsWith('in-'))!)
    pair.b.close()
    expect(await codeOf(received.finished)).to.equal('ERR_CHANNEL_CLOSED')
    const before = received.transferred
    pair.a.close()
    pair.a = channelOf('a')
    pair.b = channelOf('b', { limits: small })
    pair.join()
    offer = offered()
    const sent = pair.a.sendFile(join(directory, 'film'))
    const again = (await offer).save({ directory: target })
    await again.finished
    await sent.finished
    expect(pair.wire.bytes).to.be.below((content.length - before) * 1.2 + 50_000)
    expect(await readFile(join(target, 'film'))).to.deep.equal(content)
    expect(await readdir(target)).to.deep.equal(['film'])
  })

  it('that go on with a part that is not of them are found out, and begin anew the next time', async () => {
    const content = bytesOf(10_000)
    await writeFile(join(directory, 'film'), content)
    const target = await mkdtemp(join(directory, 'in-'))
    const part = `.${sha256(content).slice(0, 16)}-${'a'.repeat(16)}.part`
    await writeFile(join(target, part), bytesOf(5_000, 99))
    pair = new Pair()
    pair.join()
    for (const outcome of ['ERR_CHANNEL_DIGEST', undefined]) {
      const offer = offered()
      const sent = pair.a.sendFile(join(directory, 'film'))
      const { finished } = (await offer).save({ directory: target })
      if (outcome === undefined) await finished
      else {
        expect(await codeOf(finished)).to.equal(outcome)
        expect(await codeOf(sent.finished)).to.equal('ERR_CHANNEL_TRANSFER_CANCELLED')
        await eventually('the part to go', async () => (await readdir(target)).length === 0)
      }
    }
    expect(await readdir(target)).to.deep.equal(['film'])
  })

  it('of a slow receiver hold bounded memory, on both sides', async () => {
    pair = new Pair({ limits: small }, { limits: small })
    pair.join()
    const offer = offered()
    let read = 0
    const piece = bytesOf(500)
    pair.a.sendStream(
      (async function* () {
        for (; read < 1_000_000; read += 500) yield piece
      })()
    )
    let stored = 0
    let release = (): void => {}
    const received = (await offer).accept({
      write: (bytes) => {
        stored += bytes.length
        return new Promise((resolve) => {
          release = resolve
        })
      }
    })
    for (let step = 0; step < 20; step++) {
      const before = stored
      await eventually('the next chunk', () => stored > 0 && stored >= before)
      for (let i = 0; i < 30; i++) await turn()
      // Four chunks ahead at the receiver and what the source keeps for sending again.
      expect(read - stored).to.be.at.most(4 * 1000 + 4 * 1000 + 500)
      release()
      await eventually('it to be stored', () => stored > before)
    }
    received.cancel()
  })

  it('share the connection fairly', async () => {
    pair = new Pair({}, { limits: small })
    pair.join()
    const received: Transfer[] = []
    pair.b.setHandler('data', (offer) => {
      received.push(offer.accept(new Collector()))
    })
    for (let i = 0; i < 4; i++) pair.a.sendStream([bytesOf(200_000)], { size: 200_000 })
    await eventually('one to be half done', () => received.some(({ transferred }) => transferred > 100_000))
    for (const { transferred } of received) expect(transferred).to.be.above(70_000)
    await Promise.all(received.map(({ finished }) => finished))
  })

  it('wait for their turn when there are many', async () => {
    pair = new Pair({}, { limits: { ...small, maxReceiving: 2 } })
    pair.join()
    const received: Transfer[] = []
    let most = 0
    pair.b.setHandler('data', (offer) => {
      received.push(offer.accept({ write: turn }))
    })
    const sent = Array.from({ length: 10 }, () => pair.a.sendStream([bytesOf(10_000)]))
    for (const transfer of sent)
      transfer.onProgress(() => {
        most = Math.max(most, received.filter(({ state }) => state === 'active').length)
      })
    await Promise.all(sent.map(({ finished }) => finished))
    expect(most).to.equal(2)
  })

  it('leave room for messages beside them', async () => {
    pair = new Pair()
    pair.join()
    pair.b.setHandler('data', (offer) => {
      offer.accept(new Collector())
    })
    pair.b.answer('ping', () => 'pong')
    const sent = pair.a.sendStream([bytesOf(20_000_000)], { size: 20_000_000 })
    await eventually('it to begin', () => sent.transferred > 0)
    for (let i = 0; i < 5; i++) expect(await pair.a.request('ping')).to.equal('pong')
    expect(sent.state).to.equal('active')
    await sent.finished
  })

  describe('that do not arrive', () => {
    it('were refused, by a handler or for want of one', async () => {
      pair = new Pair()
      pair.join()
      const first = pair.a.sendStream([bytesOf(10)])
      expect(await codeOf(first.finished)).to.equal('ERR_CHANNEL_TRANSFER_REFUSED')
      pair.b.setHandler('data', (offer) => {
        offer.refuse('the disk is full')
        expect(() => offer.refuse()).to.throw(TypeError)
      })
      expect(((await rejection(pair.a.sendStream([]).finished)) as Error).message).to.match(/the disk is full/)
      pair.b.setHandler('data', () => {
        throw new Error('broken')
      })
      expect(await codeOf(pair.a.sendStream([]).finished)).to.equal('ERR_CHANNEL_TRANSFER_REFUSED')
    })

    it('were cancelled by the sender', async () => {
      pair = new Pair({}, { limits: small })
      pair.join()
      const offer = offered()
      let closed = false
      const controller = new AbortController()
      const sent = pair.a.sendStream(
        (async function* () {
          try {
            for (;;) yield bytesOf(1000)
          } finally {
            closed = true
          }
        })(),
        { signal: controller.signal }
      )
      const sink = new Collector()
      const received = (await offer).accept(sink)
      await eventually('some of it', () => received.transferred > 10_000)
      controller.abort(new Error('changed my mind'))
      expect(await codeOf(sent.finished)).to.equal('ERR_CHANNEL_TRANSFER_CANCELLED')
      expect(await codeOf(received.finished)).to.equal('ERR_CHANNEL_TRANSFER_CANCELLED')
      await eventually('the source to be closed', () => closed)
      expect(sink.error).to.not.equal(undefined)
    })

    it('were withdrawn before anybody had decided', async () => {
      pair = new Pair()
      pair.join()
      const [first, second] = [offered(), pair.a.sendStream([])]
      const offer = await first
      expect(offer.signal.aborted).to.equal(false)
      second.cancel('never mind')
      await eventually('the word of it', () => offer.signal.aborted)
      const { finished } = offer.save({ directory })
      expect(((await rejection(finished)) as Error).message).to.match(/never mind/)
      expect(await readdir(directory)).to.deep.equal([])
    })

    it('are not even offered by peers that are not trusted', async () => {
      const dropped: string[] = []
      pair = new Pair()
      pair.b.setHandler('data', () => {
        throw new Error('never')
      })
      pair.b.observe({ dropped: (kind) => dropped.push(kind) })
      const [a] = pair.join({}, { standing: 'prove' })
      await rejection(a.attachment.trusted)
      expect(await codeOf(pair.a.sendStream([]).finished)).to.equal('ERR_CHANNEL_REFUSED')
      a.blip.request({
        profile: 'kithmesh.packet',
        properties: { Sequence: '1', Kind: 'data', Role: 'offer', Id: '1', Form: 'json' },
        body: Buffer.from('{"name":"x"}')
      })
      await eventually('the offer to be dropped', () => dropped.includes('data'))
    })

    it('were cancelled by the receiver, also by leaving the loop', async () => {
      pair = new Pair({}, { limits: small })
      pair.join()
      const offer = offered()
      const sent = pair.a.sendStream([bytesOf(100_000)])
      for await (const piece of (await offer).read()) if (piece.length > 0) break
      expect(await codeOf(sent.finished)).to.equal('ERR_CHANNEL_TRANSFER_CANCELLED')
      const next = offered()
      const another = pair.a.sendStream([bytesOf(100_000)])
      ;(await next).accept(new Collector()).cancel('no room')
      expect(((await rejection(another.finished)) as Error).message).to.match(/no room/)
    })

    it('could not be read', async () => {
      pair = new Pair({}, { limits: small })
      pair.join()
      expect(await codeOf(pair.a.sendFile(join(directory, 'nothing')).finished)).to.equal('ERR_CHANNEL_SOURCE')
      expect(await codeOf(pair.a.sendFile(directory).finished)).to.equal('ERR_CHANNEL_SOURCE')
      const offer = offered()
      const sent = pair.a.sendStream(
        (async function* () {
          yield bytesOf(3000)
          throw new Error('the tape is torn')
        })()
      )
      const received = (await offer).accept(new Collector())
      const error = (await rejection(sent.finished)) as Error & { code: string }
      expect([error.code, (error.cause as Error).message]).to.deep.equal(['ERR_CHANNEL_SOURCE', 'the tape is torn'])
      expect(await codeOf(received.finished)).to.be.oneOf(['ERR_CHANNEL_TRANSFER_CANCELLED', 'ERR_CHANNEL_SOURCE'])
    })

    it('were changed on the way: the file, while it was sent', async () => {
      const path = join(directory, 'file')
      await writeFile(path, bytesOf(50_000))
      pair = new Pair({}, { limits: small })
      pair.join()
      for (const change of [() => writeFile(path, bytesOf(50_000, 2)), () => truncate(path, 20_000)]) {
        await writeFile(path, bytesOf(50_000))
        const offer = offered()
        const sent = pair.a.sendFile(path)
        const taken = await offer
        await change()
        const { finished } = taken.save({ directory: await mkdtemp(join(directory, 'in-')) })
        expect(await codeOf(finished)).to.be.oneOf(['ERR_CHANNEL_DIGEST', 'ERR_CHANNEL_SOURCE', 'ERR_CHANNEL_TRANSFER_CANCELLED'])
        expect(await codeOf(sent.finished)).to.be.oneOf(['ERR_CHANNEL_TRANSFER_CANCELLED', 'ERR_CHANNEL_SOURCE'])
      }
    })

    it('could not be stored', async () => {
      pair = new Pair()
      pair.join()
      await writeFile(join(directory, 'there'), 'x')
      await symlink(join(directory, 'there'), join(directory, 'link'))
      for (const take of [
        (offer: DataOffer) => offer.save({ directory: join(directory, 'no such directory') }),
        (offer: DataOffer) => offer.saveAs(join(directory, 'there')),
        (offer: DataOffer) => offer.saveAs(join(directory, 'link')),
        (offer: DataOffer) =>
          offer.accept({
            write: () => {
              throw new Error('no room')
            }
          })
      ]) {
        const offer = offered()
        const sent = pair.a.sendStream([bytesOf(10)])
        expect(await codeOf(take(await offer).finished)).to.equal('ERR_CHANNEL_SINK')
        expect(await codeOf(sent.finished)).to.be.oneOf(['ERR_CHANNEL_TRANSFER_REFUSED', 'ERR_CHANNEL_TRANSFER_CANCELLED'])
      }
      expect(await readFile(join(directory, 'there'), 'utf8')).to.equal('x')
      const offer = offered()
      pair.a.sendStream([Buffer.from('new')])
      await (await offer).saveAs(join(directory, 'there'), { overwrite: true }).finished
      expect(await readFile(join(directory, 'there'), 'utf8')).to.equal('new')
    })

    it('stood still for too long', async () => {
      const clock = manualClock()
      pair = new Pair({}, { clock, limits: { ...small, transferIdleMs: 5_000 } })
      pair.join()
      const offer = offered()
      const sent = pair.a.sendStream(
        (async function* () {
          yield bytesOf(10)
          await new Promise(() => {})
        })()
      )
      const received = (await offer).accept(new Collector())
      await eventually('the beginning', () => received.transferred === 10)
      await clock.advance(5_000)
      expect(await codeOf(received.finished)).to.equal('ERR_CHANNEL_TIMEOUT')
      expect(await codeOf(sent.finished)).to.equal('ERR_CHANNEL_TRANSFER_CANCELLED')
    })

    it('are not for peers that are not trusted any more', async () => {
      pair = new Pair({}, { limits: small })
      const [a, b] = pair.join()
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      const offer = offered()
      const sent = pair.a.sendStream(
        (async function* () {
          for (;;) yield bytesOf(1000)
        })()
      )
      const received = (await offer).accept(new Collector())
      await eventually('some of it', () => received.transferred > 0)
      pair.b.demote('enough')
      expect(await codeOf(received.finished)).to.equal('ERR_CHANNEL_GATED')
      expect(await codeOf(sent.finished)).to.equal('ERR_CHANNEL_REFUSED')
    })
  })

  it('of a slow source are waited for', async () => {
    const clock = manualClock()
    pair = new Pair({ clock }, { clock })
    const [a] = pair.join()
    await a.attachment.trusted
    const offer = offered()
    let give = (): void => {}
    const sent = pair.a.sendStream(
      (async function* () {
        await new Promise<void>((resolve) => {
          give = resolve
        })
        yield bytesOf(10)
      })()
    )
    const received = (await offer).accept(new Collector())
    await eventually('it to begin', () => sent.state === 'active')
    for (let i = 0; i < 20; i++) await clock.advance(20_000)
    expect(received.state).to.equal('active')
    give()
    await received.finished
  })

  describe('from a hostile peer', () => {
    const whole = { name: 'x', size: 10 }
    const bad: Record<string, Record<string, unknown>> = {
      'an offer without a name': {},
      'an offer of a negative size': { ...whole, size: -1 },
      'an offer with a digest that is none': { ...whole, sha256: 'X' },
      'an offer with an endless name': { ...whole, name: 'x'.repeat(5000) }
    }
    for (const [what, facts] of Object.entries(bad))
      it(`end the connection: ${what}`, async () => {
        pair = new Pair()
        const [a, b] = pair.join()
        await Promise.all([a.attachment.trusted, b.attachment.trusted])
        a.blip.request({
          profile: 'kithmesh.packet',
          properties: { Sequence: '1', Kind: 'data', Role: 'offer', Id: '1', Form: 'json' },
          body: Buffer.from(JSON.stringify(facts))
        })
        await eventually('the connection to end', () => b.attachment.ended)
      })

    const answers: Record<string, { properties: Record<string, string>; body?: Buffer }> = {
      'from somewhere else': { properties: { Offset: '99999999' }, body: Buffer.from('x') },
      'without a place': { properties: {}, body: Buffer.from('x') },
      'beyond the size': { properties: { Offset: '0' }, body: Buffer.alloc(11) },
      'with an end that has bytes': { properties: { Offset: '0', End: '0'.repeat(64) }, body: Buffer.from('x') }
    }
    for (const [what, answer] of Object.entries(answers))
      it(`end the connection: bytes ${what}`, async () => {
        pair = new Pair()
        const [blip, b] = await hostileOf(pair)
        blip.handle('kithmesh.pull', (request) => {
          request.respond(answer)
        })
        const offer = offered()
        blip.request({
          profile: 'kithmesh.packet',
          properties: { Sequence: '1', Kind: 'data', Role: 'offer', Id: '1', Form: 'json' },
          body: Buffer.from(JSON.stringify(whole))
        })
        const received = (await offer).accept(new Collector())
        expect(await codeOf(received.finished)).to.equal('ERR_CHANNEL_PROTOCOL')
        await eventually('the connection to end', () => b.ended)
      })

    it('are bounded in number', async () => {
      pair = new Pair({}, { limits: { maxOffers: 3 } })
      pair.join()
      pair.b.setHandler('data', () => {})
      const outcomes = Array.from({ length: 5 }, () => pair.a.sendStream([]).finished)
      expect(await codeOf(outcomes[3]!)).to.equal('ERR_CHANNEL_TRANSFER_REFUSED')
      expect(await codeOf(outcomes[4]!)).to.equal('ERR_CHANNEL_TRANSFER_REFUSED')
    })

    it('cannot ask for what it was not offered, nor make the source run ahead', async () => {
      pair = new Pair()
      const [, b] = pair.join()
      await b.attachment.trusted
      const offer = offered()
      let read = 0
      pair.a.sendStream(
        (async function* () {
          for (;;) {
            read += 1000
            yield bytesOf(1000)
          }
        })()
      )
      const { id } = await offer
      const codes: unknown[] = []
      const pull = (properties: Record<string, string>): void => {
        b.blip.request({ profile: 'kithmesh.pull', properties }, (reply) => codes.push(reply.kind === 'error' ? reply.code : reply.kind))
      }
      pull({ Id: 'none', Run: '1', Written: '0', Max: '10' })
      pull({ Id: id, Run: '1', Written: '50000000', Max: '10' })
      for (let i = 0; i < 70; i++) pull({ Id: id, Run: '1', Written: '0', Max: '1000' })
      await eventually('all to be answered', () => codes.length >= 4)
      expect(codes).to.include.members([404, 409])
      expect(read).to.be.below(3_000_000)
    })
  })

  it('have names that are found at once, however long a name a peer makes up', () => {
    // A regular expression that tried every one of them as a beginning would never come to an end.
    for (const run of [' ', '.', '\u2003', '. ']) expect(safeName(`a${run.repeat(1_000_000)}b`), JSON.stringify(run)).to.match(/^a/)
  })
  it('have names that are safe', () => {
    const names: Record<string, string> = {
      'photo.jpg': 'photo.jpg',
      '../../etc/passwd': 'passwd',
      '/etc/shadow': 'shadow',
      'C:\\Windows\\System32\\evil.exe': 'evil.exe',
      '..': 'unnamed',
      '.bashrc': 'bashrc',
      '': 'unnamed',
      'a\0b\nc': 'abc',
      'gpj.\u202Eexe': 'gpj.exe',
      'con.txt': '_con.txt',
      'a:b|c?.txt': 'a_b_c_.txt',
      'dots...': 'dots',
      'Übersicht ✓.pdf': 'Übersicht ✓.pdf'
    }
    for (const [name, safe] of Object.entries(names)) expect(safeName(name)).to.equal(safe)
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (name) => {
        const safe = safeName(name)
        expect(safe).to.equal(safeName(safe))
        expect(safe).to.not.match(/[/\\\0]|^\.|^$/)
        expect(Buffer.byteLength(safe)).to.be.at.most(200)
      })
    )
  })
})
