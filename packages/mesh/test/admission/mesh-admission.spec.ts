import { expect } from 'chai'
import { AccessLists, type InboundDecision, KnownPeers, dials, errorCode } from '@kithmesh/core'
import {
  RevocationList,
  createCertificateAuthority,
  createIdentity,
  createRevocation,
  insecureAcceptAnyone,
  trustedAuthorities
} from '@kithmesh/identity'
import { createMesh } from '@kithmesh/mesh'
import { eventually } from '@kithmesh/testkit'
import { type TestPeer, World, converged, isUp, linkTo, linked } from '../world.ts'

describe('the admission to a running mesh', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  const errorAt = (at: TestPeer, about: TestPeer): string | undefined => errorCode(linkTo(at, about)?.error)
  const warnings = (peer: TestPeer): string[] => peer.logger.entries.filter(({ level }) => level === 'warn').map(({ message }) => message)

  it('lets nobody unknown in by default, and those who are trusted when both know each other', async () => {
    const peers = [await world.peer('left', { authenticator: 'known' }), await world.peer('right', { authenticator: 'known' })]
    const [left, right] = peers as [TestPeer, TestPeer]
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await eventually('both to be refused', () => errorAt(left, right) !== undefined && errorAt(right, left) !== undefined)
    expect([isUp(linkTo(left, right)), isUp(linkTo(right, left))]).to.deep.equal([false, false])
    expect(left.mesh.connections.current).to.deep.equal([])
    await Promise.all(
      peers.map(({ mesh, id }) =>
        mesh.knownPeers.remember({ peerId: id === left.id ? right.id : left.id, name: '', level: 'trusted', how: 'by hand' })
      )
    )
    await Promise.all(peers.map(({ mesh }) => mesh.stop()))
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await linked(peers)
    await eventually('both to list the connection', () => peers.every(({ mesh }) => mesh.connections.current[0]?.level === 'trusted'))
    expect(left.mesh.connections.current[0]).to.include({
      peerId: right.id,
      address: '127.0.0.1',
      group: 'com.example.test',
      quality: 'direct'
    })
  })

  it('says once that a mesh accepts everybody, which has to be written', async () => {
    const peer = await world.peer('open')
    expect(warnings(peer).filter((each) => each.includes('insecure'))).to.have.length(1)
    const { discovery, identity, database } = peer
    const options = { discovery, identity, database, displayName: 'open' }
    expect(() => createMesh({ ...options, insecure: true, authenticator: insecureAcceptAnyone() })).to.throw(
      TypeError,
      'exclude each other'
    )
    expect(createMesh({ ...options, insecure: true }).state).to.equal('stopped')
    for (const inbound of [{ capacity: NaN }, { decisionMs: 0 }])
      expect(() => createMesh({ ...options, insecure: true, inbound }), JSON.stringify(inbound)).to.throw(TypeError)
  })

  it('ends live links as soon as a device is blocked, by id or by address, moves nothing more, and links again when it is welcome again', async () => {
    const access = new AccessLists()
    const left = await world.peer('left', { access })
    const right = await world.peer('right')
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await linked([left, right])
    for (const rule of [{ peerId: right.id }, { range: '127.0.0.0/8' }]) {
      access.block(rule)
      await eventually('the link to end', () => errorAt(left, right) === 'ERR_ACCESS_REFUSED' && left.mesh.connections.current.length === 0)
      expect(isUp(linkTo(left, right))).to.equal(false)
      right.database.collection().put(`while ${Object.keys(rule)[0]}`, {})
      await eventually('the other side to know', () => !isUp(linkTo(right, left)))
      expect(left.database.collection().get(`while ${Object.keys(rule)[0]}`)).to.equal(undefined)
      access.remove({ ...rule, effect: 'block' })
      await linked([left, right])
    }
    await converged([left, right], 2)
  })

  it('ends the link with a peer that is blocked in the known peers', async () => {
    const knownPeers = new KnownPeers()
    const left = await world.peer('left', { knownPeers })
    const right = await world.peer('right')
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await linked([left, right])
    expect(knownPeers.get(right.id)).to.include({ level: 'restricted', lastAddress: '127.0.0.1' })
    await knownPeers.remember({ peerId: right.id, name: 'right', level: 'blocked', how: 'by hand' })
    await eventually('the link to end', () => errorAt(left, right) === 'ERR_MESH_BLOCKED')
    expect(isUp(linkTo(left, right))).to.equal(false)
    await knownPeers.remember({ peerId: right.id, name: 'right', level: 'restricted', how: 'by hand' })
    await linked([left, right])
  })

  it('ends the link with a device that an authority revokes, and leaves the others alone', async () => {
    const authority = await createCertificateAuthority({ commonName: 'authority' })
    const member = async (commonName: string) => await createIdentity({ commonName, issuer: authority })
    const revocations = new RevocationList({ authorities: [authority.certificatePem] })
    const authenticator = trustedAuthorities([authority.certificatePem])
    const left = await world.peer('left', { identity: await member('left'), authenticator, revocations })
    const right = await world.peer('right', { identity: await member('right'), authenticator })
    const third = await world.peer('third', { identity: await member('third'), authenticator })
    const peers = [left, right, third]
    await Promise.all(peers.map(({ mesh }) => mesh.start()))
    await linked(peers)
    await revocations.add([createRevocation(authority, right.id, { reason: 'stolen' })])
    await eventually('the link to end', () => errorAt(left, right) === 'ERR_MESH_REVOKED')
    expect(linkTo(left, right)?.error?.message).to.include('stolen')
    expect([isUp(linkTo(left, right)), isUp(linkTo(left, third))]).to.deep.equal([false, true])
  })

  it('spreads revocations to peers that trust the same authority, each of which ends its link', async () => {
    const authority = await createCertificateAuthority({ commonName: 'authority' })
    const stranger = await createCertificateAuthority({ commonName: 'stranger' })
    const member = async (commonName: string) => await createIdentity({ commonName, issuer: authority })
    const authenticator = trustedAuthorities([authority.certificatePem])
    const list = (): RevocationList => new RevocationList({ authorities: [authority.certificatePem] })
    const lists = [list(), list(), list()]
    const peers: TestPeer[] = []
    for (const revocations of lists)
      peers.push(await world.peer(`member ${peers.length}`, { identity: await member('member'), authenticator, revocations }))
    const lost = await world.peer('lost', { identity: await member('lost'), authenticator })
    // One that was there before anybody met, and one that comes while they are connected.
    const before = createRevocation(authority, 'b'.repeat(64))
    await lists[2]?.add([before])
    await Promise.all([...peers, lost].map(({ mesh }) => mesh.start()))
    await linked([...peers, lost])
    await eventually('everybody to have the old one', () => lists.every((each) => each.get('b'.repeat(64)) !== undefined))
    await lists[0]?.add([createRevocation(stranger, peers[1]?.id ?? ''), createRevocation(authority, lost.id, { reason: 'stolen' })])
    await eventually('everybody to end the link', () => peers.every((peer) => errorAt(peer, lost) === 'ERR_MESH_REVOKED'))
    expect(lists.map(({ list: { current } }) => current.length)).to.deep.equal([2, 2, 2])
    expect(new Set(lists.map(({ digest }) => digest)).size).to.equal(1)
    await linked(peers)
  })

  it('has devices wait until the application decides, in whichever direction they come', async () => {
    const asked: string[] = []
    let decision: InboundDecision = 'hold'
    const left = await world.peer('left', {
      onIncomingPeer: ({ peerId }) => {
        asked.push(peerId)
        return decision
      },
      inbound: { holdMs: 600_000 }
    })
    await left.mesh.start()
    // Those that dial are asked about, and who dials is decided by the ids: one does for certain, others may.
    let identity = await createIdentity({ commonName: 'caller' })
    while (!dials(identity.peerId, left.id)) identity = await createIdentity({ commonName: 'caller' })
    const others = [...(await world.started(['caller'], { identity })), ...(await world.started(['a', 'b', 'c']))]
    await eventually('some to be asked about', () => left.mesh.pending.current.length > 0)
    const [held] = left.mesh.pending.current
    const peer = others.find(({ id }) => id === held?.peer.peerId) as TestPeer
    expect(held?.state).to.equal('held')
    expect(held?.peer).to.include({ address: '127.0.0.1' })
    expect((held?.until ?? 0) - (held?.since ?? 0), 'the time that it is told').to.be.at.least(600_000)
    expect(isUp(linkTo(left, peer))).to.equal(false)
    expect(left.mesh.connections.current.some(({ peerId }) => peerId === peer.id)).to.equal(false)
    decision = 'accept'
    for (const entry of left.mesh.pending.current) entry.accept()
    await linked([left, peer])
    expect(asked.filter((id) => id === peer.id).length).to.be.at.least(1)
  })
})
