import { expect } from 'chai'
import type { BlipPeer } from '@kithmesh/blip'
import { ReplicationLane } from '../dist/link/replication-lane.js'

describe('a connection as one replication sees it', () => {
  const laneOver = (blip: Partial<BlipPeer>): ReplicationLane =>
    new ReplicationLane(
      blip as BlipPeer,
      () => {},
      () => {}
    )

  it('sends what is queued when told to, where the connection can', () => {
    let flushes = 0
    laneOver({ flush: () => flushes++ }).flush()
    expect(flushes).to.equal(1)
    laneOver({}).flush()
  })
})
