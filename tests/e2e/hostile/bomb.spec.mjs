// Data that is small on the wire and huge when it is unpacked: refused, with what memory it takes bounded, and nothing of it stored.
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { MORE_COMING } from '../cli/hostile-client.mjs'
import { meter } from './memory-meter.mjs'
import { ServedDatabase, revOf } from './served-database.mjs'

const MIB = 1024 * 1024
const zeros = Buffer.alloc(15 * MIB)

describe('a decompression bomb', () => {
  let served

  beforeEach(async () => {
    served = await ServedDatabase.start()
  })
  afterEach(() => served.stop())

  it('in one frame ends its connection', async () => {
    const client = await served.welcomed()
    const stop = meter()
    const { number } = client.begin()
    const bytes = client.compressedFrame(number, 0, revOf('bomb'), ...Array(34).fill(zeros))
    expect(bytes).to.be.below(MIB)
    await client.ended
    expect(stop()).to.be.below(150 * MIB)
    await served.servesOthers()
  })

  it('in many frames of one document is answered with 413, and takes no more memory than a document may', async () => {
    const client = await served.welcomed()
    const stop = meter()
    const { number, reply } = client.begin()
    let onWire = client.compressedFrame(number, MORE_COMING, revOf('bomb'))
    for (let n = 0; n < 60; n++) {
      onWire += client.compressedFrame(number, n === 59 ? 0 : MORE_COMING, zeros)
      await turn()
    }
    expect(onWire).to.be.below(2 * MIB)
    expect(await reply).to.deep.include({ type: 'error', code: 413 })
    expect(stop()).to.be.below(150 * MIB)
    expect(served.database.collection().get('bomb')).to.equal(undefined)
    await served.servesOthers()
  })

  it('in many documents at once does not fill the memory', async () => {
    const client = await served.welcomed()
    const stop = meter()
    for (let n = 0; n < 100 && !client.over; n++) {
      const { number } = client.begin()
      client.compressedFrame(number, MORE_COMING, revOf(`bomb-${n}`), zeros)
      await turn()
    }
    await turn()
    expect(stop()).to.be.below(300 * MIB)
    await served.servesOthers()
  })

  it('in place of a blob is refused as soon as it is longer than announced', async () => {
    const client = await served.welcomed()
    const digest = `sha1-${createHash('sha1').update('small').digest('base64')}`
    let asked
    client.onRequest = (request) => {
      if (request.properties.Profile === 'getAttachment') asked = request
    }
    const stop = meter()
    const { number, reply } = client.begin()
    client.frame(
      number,
      0,
      Buffer.concat([
        revOf('with blob'),
        Buffer.from(JSON.stringify({ photo: { '@type': 'blob', content_type: 'text/plain', digest, length: 1000 } }))
      ])
    )
    while (asked === undefined) await turn()
    client.compressedFrame(asked.number, 1 | MORE_COMING, Buffer.from([0]))
    for (let n = 0; n < 60 && !client.over; n++) {
      client.compressedFrame(asked.number, 1 | (n === 59 ? 0 : MORE_COMING), zeros)
      await turn()
    }
    const answer = await reply
    if (answer !== 'closed') expect(answer).to.deep.include({ type: 'error' })
    expect(stop()).to.be.below(150 * MIB)
    expect(served.database.collection().get('with blob')).to.equal(undefined)
    expect(served.database.blobs.has(digest)).to.equal(false)
    await served.servesOthers()
  })
})
