// A large mesh: what the issue asks of 1,000 peers, at a size that CI can afford; `npm run sim -- mesh --peers 1000 --docs 1000` is the whole of it.
import assert from 'node:assert/strict'
import { simulate } from '@kithmesh/testkit/sim'

describe('a large mesh', () => {
  let report
  afterEach(async () => {
    await report?.simulation.end()
    report = undefined
  })

  it('of 300 peers connects with few links each, becomes equal without sending much twice, and heals when 30 % vanish', async () => {
    report = await simulate({ peers: 300, documents: 60, seed: 1, vanish: 0.3 })
    const { converged, transfersPerDocumentAndPeer, degree, highestDegree, vanished, healSeconds, convergedAfterwards } = report
    assert.deepEqual({ converged, vanished, convergedAfterwards }, { converged: true, vanished: 90, convergedAfterwards: true })
    assert.ok(transfersPerDocumentAndPeer <= 1.2, `${transfersPerDocumentAndPeer} transfers per document and peer`)
    assert.ok(degree.max <= 8 && highestDegree <= 8 && degree.min >= 2, `${degree.min} to ${degree.max} links, at most ${highestDegree}`)
    assert.ok(healSeconds <= 10, `healed after ${healSeconds} s`)
  })

  it('is the same for the same seed, and another for another', async () => {
    const play = async (seed) => {
      report = await simulate({ peers: 60, documents: 40, seed, vanish: 0.2, network: { loss: 0.02 }, discovery: { loss: 0.1 } })
      const { trace, virtualSeconds, messagesPerPeer } = report
      await report.simulation.end()
      return JSON.stringify({ trace, virtualSeconds, messagesPerPeer })
    }
    const first = await play(5)
    assert.equal(await play(5), first)
    assert.notEqual(await play(6), first)
  })
})
