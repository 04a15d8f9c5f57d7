import { expect } from 'chai'
import { replicationStore } from '@kithmesh/database/replication'
import { eventually } from '@kithmesh/testkit'
import { World, converged } from './world.ts'

describe('a member of a mesh that says others have lost access', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('makes none of them purge, whoever dials', async () => {
    for (let round = 0; round < 4; round++) {
      // Fresh identities decide anew who dials.
      const [honest, hostile] = [await world.peer(`honest ${round}`), await world.peer(`hostile ${round}`)]
      honest.database.collection().put('doc', { round })
      await Promise.all([honest.mesh.start(), hostile.mesh.start()])
      await converged([honest, hostile], 1)
      const before = hostile.database.collection().get('doc')?.revId ?? ''
      const body = Buffer.from('{"_removed":true}')
      const lie = { id: 'doc', revId: '2-bb', history: [before], deleted: false, hasBlobs: false, body, onConflict: 'branch' as const }
      const [outcome] = replicationStore(hostile.database).collection('_default', '_default')?.insertRevisions([lie]) ?? []
      expect(outcome?.status).to.equal('stored')
      hostile.database.collection().put('later', {})
      await eventually('the next document', () => honest.database.collection().get('later') !== undefined)
      expect(honest.database.collection().get('doc', { deleted: true })).to.not.equal(undefined)
      await world.leave(honest)
      await world.leave(hostile)
    }
  })
})
