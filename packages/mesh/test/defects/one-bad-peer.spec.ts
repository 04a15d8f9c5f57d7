import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { eventually, fastClock } from '@kithmesh/testkit'
import { type TestPeer, World, converged, isUp, linked } from '../world.ts'
import { Rogue, ask } from './rogue.ts'

// What one bad peer costs the others: nothing. Rows of peers.md §2 and of multipeer.md §5 that other tests cover as well:
//
// | row | here | and |
// |---|---|---|
// | 14 poison documents | documents that cannot be read | packages/replicator/test/session.spec.ts (sizes, levels), tests/e2e/hostile |
// | 15 a peer that vanishes | vanishing.spec.ts beside this | tests/e2e/kill (processes killed at any instant) |
// | 19, CBL-8515, 8496, 8380 stalled handshakes | TLS done and not a word after | packages/mesh/test/trust.spec.ts (before and inside TLS, 150 at once), packages/websocket/test |
// | lies about the topology | messages that cannot be gossip | packages/mesh/test/topology (denied links, forged records, floods) |

describe('one bad peer (peers.md §2 rows 14 and 19, multipeer.md §5)', () => {
  let world: World
  let rogue: Rogue
  let victim: TestPeer
  let honest: TestPeer

  beforeEach(async () => {
    world = new World()
    rogue = new Rogue(await createIdentity({ commonName: 'rogue' }))
    ;[victim, honest] = (await world.started(['victim', 'honest'], { clock: fastClock(10) })) as [TestPeer, TestPeer]
    await linked([victim, honest])
  })
  afterEach(async () => {
    rogue.end()
    await world.end()
  })

  let written = 0
  /** The honest ones go on as if nothing were. */
  async function theOthersGoOn(): Promise<void> {
    victim.database.collection().put(`v${written++}`, {})
    honest.database.collection().put(`h${written++}`, {})
    await converged([victim, honest], 2)
    await linked([victim, honest])
  }

  async function quarantinedFor(kind: string): Promise<void> {
    await eventually('it to be in quarantine', () => victim.mesh.quarantined.some(({ id }) => id === rogue.identity.peerId))
    const [device] = victim.mesh.quarantined
    expect(device).to.include({ id: rogue.identity.peerId, kind })
    expect(device?.detail).to.not.equal('')
    expect(honest.mesh.quarantined).to.deep.equal([])
    // It is not let in until it is released.
    const refused = await rogue.silent(victim)
    expect(await refused.closed).to.equal(1008)
    await theOthersGoOn()
    victim.mesh.release(rogue.identity.peerId)
    expect(victim.mesh.quarantined).to.deep.equal([])
    await rogue.friend(victim)
    await eventually('it to be linked again', () => victim.mesh.links.some((link) => link.deviceId === rogue.identity.peerId && isUp(link)))
  }

  it('that proves who it is and then says nothing costs the others nothing, and is kept away when it does so again and again', async () => {
    await rogue.silent(victim)
    await theOthersGoOn()
    for (let round = 0; round < 8 && victim.mesh.quarantined.length === 0; round++) {
      await rogue.silent(victim)
      // The other side waits ten seconds of its clock for a hello.
      await fastClock(10).sleep(10_500)
    }
    await quarantinedFor('handshake')
  })

  it('that goes no further than TLS, again and again, is kept away', async () => {
    for (let round = 0; round < 8 && victim.mesh.quarantined.length === 0; round++) {
      await rogue.mute(victim)
      await theOthersGoOn()
    }
    await quarantinedFor('handshake')
  })

  it('whose documents cannot be read is refused each of them, and is kept away when there is no end of them', async () => {
    const { blip, closed } = await rogue.friend(victim)
    const begun = await ask(blip, 'getCollections', {}, JSON.stringify({ collections: ['_default._default'], checkpoint_ids: ['x'] }))
    expect(begun.kind).to.equal('ok')
    const first = await ask(blip, 'rev', { collection: '0', id: 'poison', rev: '1-abc', sequence: '1' }, '{"broken":')
    expect(first.kind).to.equal('error')
    await theOthersGoOn()
    for (let n = 2; n < 30; n++)
      void ask(blip, 'rev', { collection: '0', id: `poison-${n}`, rev: '1-abc', sequence: String(n) }, '{"broken":')
    expect(await closed).to.equal(1008)
    expect(victim.database.collection().get('poison')).to.equal(undefined)
    await quarantinedFor('poison')
  })

  it('that is not trusted any more gets no documents over its next connection either, also when it says no hello', async () => {
    const asked = JSON.stringify({ collections: ['_default._default'], checkpoint_ids: ['x'] })
    expect((await ask(await rogue.stranger(victim), 'getCollections', {}, asked)).kind).to.equal('ok')
    const { closed } = await rogue.friend(victim)
    await eventually('the link to be up', () => victim.mesh.links.some((link) => link.deviceId === rogue.identity.peerId && isUp(link)))
    victim.mesh.channel(rogue.identity.peerId).demote('being checked')
    rogue.end()
    await closed
    expect(await ask(await rogue.stranger(victim), 'getCollections', {}, asked)).to.include({ kind: 'error', code: 404 })
    await theOthersGoOn()
  })

  it('that connects over and over is kept away', async () => {
    // Several at a time: one after the other, they may be too slow to be too many.
    for (let round = 0; round < 5 && victim.mesh.quarantined.length === 0; round++)
      await Promise.all(Array.from({ length: 8 }, () => rogue.friend(victim).catch(() => {})))
    await quarantinedFor('flood')
  })

  it('that talks nonsense about the topology is kept away', async () => {
    const { attachment, closed } = await rogue.friend(victim)
    await eventually('the link to be up', () => victim.mesh.links.some((link) => link.deviceId === rogue.identity.peerId && isUp(link)))
    for (let round = 0; round < 6; round++) attachment.control('topology', Buffer.from(`{"r": "nonsense ${round}`))
    expect(await closed).to.equal(1008)
    const link = victim.mesh.links.find(({ deviceId }) => deviceId === rogue.identity.peerId)
    if (link !== undefined) expect(errorCode(link.error)).to.equal('ERR_MESH_QUARANTINED')
    await quarantinedFor('malformed')
  })
})
