// What one client may take, and what all may take together: frames, documents, and messages that do not end.
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { MORE_COMING } from '../cli/hostile-client.mjs'
import { ServedDatabase, askForCollections, revOf } from './served-database.mjs'

const MIB = 1024 * 1024

describe('the bounds of a listener', () => {
  let served

  beforeEach(async () => {
    served = await ServedDatabase.start({ maxBufferedBytes: 32 * MIB })
  })
  afterEach(() => served.stop())

  it('end a connection at the head of a frame that is too large, without waiting for the rest', async () => {
    const client = await served.welcomed()
    client.announce(BigInt(2 * MIB))
    await eventually('the end of the connection', () => client.over)
    await served.servesOthers()
  })

  it('answer a document that one frame inflates to with 413', async () => {
    const client = await served.welcomed()
    const { number, reply } = client.begin()
    const zeros = Buffer.alloc(15 * MIB)
    expect(client.compressedFrame(number, 0, revOf('large'), zeros, zeros)).to.be.below(MIB)
    expect(await reply).to.deep.include({ type: 'error', code: 413 })
    expect(served.database.collection().get('large')).to.equal(undefined)
    await served.servesOthers()
  })

  it('hold for all clients together, of which those that take the most go, though each alone takes what it may', async () => {
    const piece = Buffer.alloc(MIB / 2, 'x')
    const modest = await served.welcomed()
    const greedy = []
    for (let n = 0; n < 6; n++) greedy.push(await served.welcomed())
    for (const client of greedy) client.numbered = client.begin().number
    for (const client of greedy) client.frame(client.numbered, MORE_COMING, revOf('never'))
    for (let sent = 0; sent < 12 * MIB; sent += piece.length)
      for (const client of greedy) {
        if (!client.over) client.frame(client.numbered, MORE_COMING, piece)
        await turn()
      }
    await eventually('the end of those that are too many', () => greedy.filter(({ over }) => over).length >= 3)
    expect(modest.over).to.equal(false)
    expect(await askForCollections(modest)).to.have.property('type')
    for (const client of greedy) client.destroy()
    await eventually('the end of the connections', () => served.listener.status.connectionCount <= 1)
    await served.servesOthers()
  })
})
