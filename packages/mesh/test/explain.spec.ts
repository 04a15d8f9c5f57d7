import { expect } from 'chai'
import { AccessLists, errorCode } from '@kithmesh/core'
import { createIdentity, pinnedPeers } from '@kithmesh/identity'
import { eventually, fastClock } from '@kithmesh/testkit'
import { World, linked } from './world.ts'

describe('explaining a device of a running mesh', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(() => world.end())

  it('says how it is connected, with what was tried, on both sides', async () => {
    const [a, b] = [await world.peer('a'), await world.peer('b')]
    expect(a.mesh.explain(b.id)).to.include({ decision: 'stopped' })
    await Promise.all([a.mesh.start(), b.mesh.start()])
    await linked([a, b])
    const both = [a.mesh.explain(b.id), b.mesh.explain(a.id)]
    for (const one of both) {
      expect(one).to.include({ decision: 'connected' })
      expect(one.reason).to.match(/^Connected by direct .*, because few devices are around/)
      expect(one.link?.state).to.be.oneOf(['busy', 'idle'])
    }
    expect(both.filter(({ report }) => report?.state === 'connected')).to.have.length.at.least(1)
    expect(both.filter(({ reason }) => reason.includes('this side dialled'))).to.have.lengthOf(1)
    expect(a.mesh.explain(a.id).decision).to.equal('self')
    expect(a.mesh.explain('c'.repeat(64)).decision).to.equal('unknown')
  })

  it('says which of the two refuses the other', async () => {
    const stranger = await createIdentity({ commonName: 'stranger' })
    const clock = fastClock(10)
    const open = await world.peer('open', { clock })
    const closed = await world.peer('closed', { clock, authenticator: pinnedPeers([stranger.peerId]) })
    await Promise.all([open.mesh.start(), closed.mesh.start()])
    const refused = () => [open.mesh.explain(closed.id), closed.mesh.explain(open.id)]
    await eventually('both to be refused', () => refused().every(({ decision, error }) => decision === 'refused' && error !== undefined))
    const [there, here] = refused()
    expect(errorCode(there?.error)).to.equal('ERR_MESH_REFUSED')
    expect(errorCode(here?.error)).to.equal('ERR_IDENTITY_UNTRUSTED')
    for (const one of [there, here]) expect(one?.hint).to.be.a('string').and.not.equal('')
  })

  it('says that the access lists forbid it, or that it is blocked', async () => {
    const access = new AccessLists()
    const [a, b] = [await world.peer('a', { access }), await world.peer('b')]
    await Promise.all([a.mesh.start(), b.mesh.start()])
    await linked([a, b])
    access.add({ effect: 'block', peerId: b.id, note: 'for a test' })
    const found = a.mesh.explain(b.id)
    expect(found).to.include({ decision: 'refused' })
    expect(errorCode(found.error)).to.equal('ERR_ACCESS_REFUSED')
    await b.mesh.knownPeers.remember({ peerId: a.id, name: 'a', level: 'blocked', how: 'by hand' })
    expect(errorCode(b.mesh.explain(a.id).error)).to.equal('ERR_MESH_BLOCKED')
  })
})
