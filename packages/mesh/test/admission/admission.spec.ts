import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import { AccessLists, type IncomingPeer, KnownPeers, errorCode, silentLogger, systemClock } from '@kithmesh/core'
import { RevocationList, createCertificateAuthority, createIdentity, createRevocation } from '@kithmesh/identity'
import { eventually } from '@kithmesh/testkit'
import { Admission, type AdmissionOptions } from '../../dist/admission/admission.js'
import { LiveConnections } from '../../dist/admission/live-connections.js'

const id = (index: number): string => index.toString(16).padStart(64, '0')
const peer = (index: number, address: string | null = '192.0.2.1'): IncomingPeer => ({
  peerId: id(index),
  name: `Till ${index}`,
  address,
  route: `direct ${address}:50312`
})

describe('the admission to a mesh', () => {
  const open: Admission[] = []
  afterEach(() => {
    for (const admission of open.splice(0)) admission.clear(new Error('the test is over'))
  })

  function subject(options: Partial<AdmissionOptions> = {}) {
    const access = new AccessLists()
    const knownPeers = new KnownPeers()
    const admission = new Admission({ access, peerGroupId: 'shop', knownPeers, clock: systemClock, logger: silentLogger, ...options })
    open.push(admission)
    const { signal } = new AbortController()
    const incoming = async (each: IncomingPeer): Promise<string> =>
      await admission.admit(each, { signal }).then(
        () => 'in',
        (error: unknown) => errorCode(error) ?? String(error)
      )
    const outgoing = (each: IncomingPeer): string => {
      try {
        admission.checkOutgoing(each)
        return 'in'
      } catch (error) {
        return errorCode(error) ?? String(error)
      }
    }
    return { access, knownPeers, admission, incoming, outgoing }
  }

  it('goes by the access lists, in both directions, with everything that is known by then', async () => {
    const { access, incoming, outgoing } = subject()
    access.block({ peerId: id(1), range: '192.0.2.0/24' })
    access.block({ peerId: id(2), group: 'shop' })
    access.block({ peerId: id(3), group: 'chat' })
    const results = ['ERR_ACCESS_REFUSED', 'in', 'ERR_ACCESS_REFUSED', 'in']
    const peers = [peer(1), peer(1, '198.51.100.1'), peer(2), peer(3)]
    expect(await Promise.all(peers.map(incoming))).to.deep.equal(results)
    expect(peers.map(outgoing)).to.deep.equal(results)
  })

  it('goes by the known peers, and notes who came', async () => {
    const { knownPeers, incoming, outgoing } = subject()
    await knownPeers.remember({ peerId: id(1), name: '', level: 'blocked', how: 'by hand' })
    expect([await incoming(peer(1)), outgoing(peer(1))]).to.deep.equal(['ERR_MESH_BLOCKED', 'ERR_MESH_BLOCKED'])
    expect([await incoming(peer(2)), outgoing(peer(3, null))]).to.deep.equal(['in', 'in'])
    expect(knownPeers.get(id(2))).to.include({ name: 'Till 2', level: 'restricted', lastAddress: '192.0.2.1' })
    expect(knownPeers.get(id(3))).to.not.have.property('lastAddress')
  })

  it('goes by the revocations of authorities', async () => {
    const authority = await createCertificateAuthority({ commonName: 'authority' })
    const member = await createIdentity({ commonName: 'member', issuer: authority })
    const revocations = new RevocationList({ authorities: [authority.certificatePem] })
    const { admission, incoming, outgoing } = subject({ revocations })
    const guest: IncomingPeer = { ...peer(1), peerId: member.peerId }
    expect([await incoming(guest), outgoing(guest)]).to.deep.equal(['in', 'in'])
    let told = 0
    admission.onChange(() => {
      told++
    })
    await revocations.add([createRevocation(authority, member.peerId, { reason: 'stolen' })])
    await eventually('it to be told', () => told > 0)
    expect(admission.refusal(member.peerId, null)?.message).to.equal('The device was revoked: stolen')
    expect([await incoming(guest), outgoing(guest)]).to.deep.equal(['ERR_MESH_REVOKED', 'ERR_MESH_REVOKED'])
  })

  it('does not take two devices without an address, or behind one, for each other', async () => {
    const { incoming } = subject({ onIncomingPeer: () => 'accept' })
    expect(await Promise.all([peer(1, null), peer(2, null), peer(3), peer(4)].map(incoming))).to.deep.equal(['in', 'in', 'in', 'in'])
  })

  it('asks the application about devices that come in; who waits is not let in by being dialled', async () => {
    const { admission, incoming, outgoing } = subject({
      onIncomingPeer: ({ peerId }) => (peerId === id(1) ? 'accept' : peerId === id(2) ? 'reject' : 'hold')
    })
    const held = incoming(peer(3))
    expect([await incoming(peer(1)), await incoming(peer(2))]).to.deep.equal(['in', 'ERR_INBOUND_REJECTED'])
    expect(outgoing(peer(3))).to.equal('ERR_INBOUND_REJECTED')
    expect(outgoing(peer(4)), 'our own wish').to.equal('in')
    admission.pending.current[0]?.accept()
    expect(await held).to.equal('in')
    expect(outgoing(peer(3))).to.equal('in')
  })

  it('does not let in who has become unwelcome while it waited', async () => {
    const { access, admission, incoming } = subject({ onIncomingPeer: () => 'hold' })
    const held = incoming(peer(1))
    await eventually('it to be held', () => admission.pending.current[0]?.state === 'held')
    access.block({ peerId: id(1) })
    admission.pending.current[0]?.accept()
    expect(await held).to.equal('ERR_ACCESS_REFUSED')
  })

  it('tells of every change by which somebody may have become unwelcome', async () => {
    const { access, knownPeers, admission } = subject()
    let told = 0
    const stop = admission.onChange(() => {
      told++
    })
    access.block({ peerId: id(1) })
    await eventually('the first', () => told === 1)
    await knownPeers.remember({ peerId: id(1), name: '', level: 'blocked', how: 'by hand' })
    await eventually('the second', () => told === 2)
    stop()
    access.block({ peerId: id(2) })
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).to.equal(2)
  })
})

describe('the live connections of a mesh', () => {
  function subject() {
    const levels = new Map<string, 'restricted' | 'trusted'>()
    const live = new LiveConnections({ levelOf: (peerId) => levels.get(peerId) ?? 'restricted', logger: silentLogger })
    const ended: Array<string | undefined> = []
    const add = (index: number, address: string | null = '192.0.2.1'): EventEmitter => {
      const stream = new EventEmitter()
      live.add(
        {
          peerId: id(index),
          name: '',
          direction: 'incoming',
          route: '',
          quality: 'direct',
          address,
          group: 'shop',
          since: 0,
          end: (error) => {
            ended.push(`${index} ${error.code}`)
            stream.emit('close')
          }
        },
        stream
      )
      return stream
    }
    return { live, levels, ended, add, ids: () => live.list.current.map(({ peerId, level }) => `${Number.parseInt(peerId, 16)} ${level}`) }
  }

  it('are listed with their level, until they end', () => {
    const { live, levels, add, ids } = subject()
    const stream = add(1)
    add(2)
    expect(ids()).to.deep.equal(['1 restricted', '2 restricted'])
    expect(live.list.current[0]).to.not.have.property('end')
    levels.set(id(2), 'trusted')
    live.changed()
    stream.emit('close')
    expect(ids()).to.deep.equal(['2 trusted'])
  })

  it('end when they are no longer welcome, each by its own id and address', () => {
    const { live, ended, add, ids } = subject()
    const access = new AccessLists()
    const admission = new Admission({
      access,
      peerGroupId: 'shop',
      knownPeers: new KnownPeers(),
      clock: systemClock,
      logger: silentLogger
    })
    add(1)
    add(1, '198.51.100.1')
    add(2, null)
    const check = (): void => {
      live.endRefused((peerId, address) => admission.refusal(peerId, address))
    }
    access.block({ range: '198.51.100.0/24' })
    check()
    check()
    expect(ended).to.deep.equal(['1 ERR_ACCESS_REFUSED'])
    access.allow({ range: '192.0.2.0/24' })
    check()
    expect(ended).to.deep.equal(['1 ERR_ACCESS_REFUSED', '2 ERR_ACCESS_REFUSED'])
    expect(ids()).to.deep.equal(['1 restricted'])
    admission.clear(new Error('over'))
  })
})
