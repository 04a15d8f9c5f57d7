import { expect } from 'chai'
import fc from 'fast-check'
import { peerIdMetadata, toMetadata } from '@kithmesh/core'
import type { Device, Metadata, Peer } from '@kithmesh/core'
import { DiscoveredPeer } from '../dist/discovered-peer.js'
import { PeerTable } from '../dist/peer-table.js'
import { manualClock } from '@kithmesh/testkit'
import { OTHERS, THEM, US, never } from './fakes.ts'

const clock = manualClock()
const ids = (list: ReadonlyArray<{ readonly id: string }>) => list.map(({ id }) => id)
const claim = (peerId: string): Metadata => toMetadata(peerIdMetadata(peerId))

function subject(maxPeersPerProvider?: number) {
  return new PeerTable({
    localPeerId: US,
    createPeer: (provider, sighting) =>
      new DiscoveredPeer({ provider, clock, resolveUrl: () => never(), monitorMetadata: () => {} }, sighting),
    ...(maxPeersPerProvider === undefined ? {} : { maxPeersPerProvider })
  })
}

function devices(table: PeerTable): Record<string, string[]> {
  return Object.fromEntries(table.devices.map(({ id, peers }) => [id, ids(peers)]))
}

describe('PeerTable', () => {
  it('merges sightings that claim the same device and keeps the others apart', () => {
    const table = subject()
    table.found('A', [
      { id: 'a1', displayName: 'Shop', metadata: claim(THEM) },
      { id: 'a2', displayName: 'Anonymous' }
    ])
    table.found('B', [{ id: 'b1', displayName: 'Shop (2)', metadata: claim(THEM) }])
    expect(devices(table)).to.deep.equal({ [THEM]: ['a1', 'b1'], 'sighting:a2': ['a2'] })
    expect(table.device(THEM)?.displayName).to.equal('Shop')
    expect(table.takeDevicesChange()?.added.map(({ id }) => id)).to.deep.equal([THEM, 'sighting:a2'])
    expect(table.takeDevicesChange()).to.equal(undefined)
  })

  it('moves a peer whose claim changes', () => {
    const table = subject()
    table.found('A', [
      { id: 'a', displayName: 'X' },
      { id: 'b', displayName: 'Y', metadata: claim(THEM) }
    ])
    table.takeDevicesChange()
    const anonymous = table.device('sighting:a') as Device
    const change = table.metadata('A', 'a', claim(THEM))
    expect(ids(change.metadataChanged)).to.deep.equal(['a'])
    expect(devices(table)).to.deep.equal({ [THEM]: ['b', 'a'] })
    const moved = table.takeDevicesChange()
    expect([moved?.added, moved?.changed, moved?.removed].map((list) => ids(list ?? []))).to.deep.equal([[], [THEM], ['sighting:a']])
    expect(anonymous.peers).to.deep.equal([])
    expect(anonymous.displayName).to.equal('X')
    table.metadata('A', 'b', claim(OTHERS))
    expect(devices(table)).to.deep.equal({ [THEM]: ['a'], [OTHERS]: ['b'] })
  })

  it('reports metadata only when it differs, and leaves it alone when a sighting has none', () => {
    const table = subject()
    table.found('A', [{ id: 'a', displayName: 'X', metadata: toMetadata({ k: 'v', l: 'w' }) }])
    expect(table.metadata('A', 'a', toMetadata({ l: 'w', k: 'v' })).metadataChanged).to.deep.equal([])
    expect(table.found('A', [{ id: 'a', displayName: 'X' }]).metadataChanged).to.deep.equal([])
    expect(table.peer('a')?.metadata.size).to.equal(2)
    expect(ids(table.metadata('A', 'a', toMetadata({ k: 'v' })).metadataChanged)).to.deep.equal(['a'])
    expect(table.metadata('B', 'a', new Map()).metadataChanged).to.deep.equal([])
    expect(table.metadata('A', 'zzz', new Map()).metadataChanged).to.deep.equal([])
  })

  it('updates names and radio strength in place', () => {
    const table = subject()
    table.found('A', [{ id: 'a', displayName: 'Old', connectable: false }])
    const peer = table.peer('a')
    expect(peer?.connectable).to.equal(false)
    table.takeDevicesChange()
    const change = table.found('A', [{ id: 'a', displayName: 'New', connectable: true }])
    expect(change.added).to.deep.equal([])
    expect(table.peer('a')).to.equal(peer)
    expect(peer?.displayName).to.equal('New')
    expect(peer?.connectable).to.equal(true)
    expect(ids(table.takeDevicesChange()?.changed ?? [])).to.deep.equal(['sighting:a'])
  })

  it('never brings a lost peer back: the returning one is another object', () => {
    const table = subject()
    table.found('A', [{ id: 'a', displayName: 'X', metadata: claim(THEM) }])
    const first = table.peer('a') as Peer
    const device = table.device(THEM)
    table.takeDevicesChange()
    expect(ids(table.lost('A', ['a', 'a', 'nobody']).removed)).to.deep.equal(['a'])
    expect(ids(table.takeDevicesChange()?.removed ?? [])).to.deep.equal([THEM])
    table.found('A', [{ id: 'a', displayName: 'X', metadata: claim(THEM) }])
    expect(first.online).to.equal(false)
    expect(first.connectable).to.equal(false)
    expect(table.peer('a')).to.not.equal(first)
    expect(table.device(THEM)).to.not.equal(device)
  })

  it('tells nothing of a device that came and went between two looks, and "changed" of one that went and came', () => {
    const table = subject()
    table.found('A', [{ id: 'a', displayName: 'X' }])
    table.lost('A', ['a'])
    expect(table.takeDevicesChange()).to.equal(undefined)
    table.found('A', [{ id: 'b', displayName: 'X' }])
    const device = table.device('sighting:b') as Device
    table.takeDevicesChange()
    table.lost('A', ['b'])
    table.found('A', [{ id: 'b', displayName: 'X' }])
    expect(table.takeDevicesChange()).to.deep.equal({ added: [], changed: [device], removed: [] })
    expect(table.device('sighting:b')).to.equal(device)
  })

  it('does not list ourselves, before and after a change of the claim', () => {
    const table = subject()
    expect(table.found('A', [{ id: 'me', displayName: 'Me', metadata: claim(US) }]).added).to.deep.equal([])
    expect(table.found('A', [{ id: 'me', displayName: 'Me' }]).added).to.deep.equal([])
    expect(ids(table.metadata('A', 'me', claim(THEM)).added)).to.deep.equal(['me'])
    expect(ids(table.metadata('A', 'me', claim(US)).removed)).to.deep.equal(['me'])
    expect(table.devices).to.deep.equal([])
    table.removeAll('A')
    expect(table.metadata('A', 'me', claim(THEM)).added).to.deep.equal([])
    table.found('A', [{ id: 'me', displayName: 'Me', metadata: claim(US) }])
    table.lost('A', ['me'])
    expect(table.metadata('A', 'me', claim(THEM)).added).to.deep.equal([])
  })

  it('refuses ids of other providers and malformed sightings, with the reason', () => {
    const table = subject()
    table.found('A', [
      { id: 'a', displayName: 'X' },
      { id: 'me', displayName: 'Me', metadata: claim(US) }
    ])
    expect(
      table
        .found('B', [
          { id: 'a', displayName: 'Y' },
          { id: 'me', displayName: 'Me' }
        ])
        .refused.map(({ reason }) => reason)
    ).to.deep.equal(['the id belongs to a peer of A', 'the id belongs to a peer of A'])
    expect(table.lost('B', ['a']).removed).to.deep.equal([])
    for (const wrong of [
      { id: '', displayName: 'X' },
      { id: 'b' },
      { displayName: 'X' },
      { id: 'b', displayName: 'X', metadata: { k: 'v' } },
      { id: 'b', displayName: 'X', metadata: new Map([['k', 'v']]) },
      null,
      undefined
    ]) {
      expect(table.found('A', [wrong as never]).refused).to.have.length(1)
    }
    expect(table.metadata('A', 'a', { k: 'v' } as never).refused).to.have.length(1)
    expect(ids(table.peers)).to.deep.equal(['a'])
  })

  it('has a bound for each provider', () => {
    const table = subject(2)
    const many = ['1', '2', '3'].map((id) => ({ id, displayName: id }))
    expect(table.found('A', many).refused).to.deep.equal([{ id: '3', reason: '2 peers of A are listed, there is no room for more' }])
    expect(ids(table.found('B', [{ id: 'b', displayName: 'b' }]).added)).to.deep.equal(['b'])
    table.lost('A', ['1'])
    expect(ids(table.found('A', many).added)).to.deep.equal(['1'])
    const mirrors = ['m1', 'm2', 'm3'].map((id) => ({ id, displayName: id, metadata: claim(US) }))
    table.found('C', mirrors)
    expect(mirrors.flatMap(({ id }) => ids(table.metadata('C', id, claim(THEM)).added))).to.deep.equal(['m1', 'm2'])
  })

  it('keeps its invariants whatever the providers report', () => {
    const provider = fc.constantFrom('A', 'B')
    const id = fc.constantFrom('p', 'q', 'r', 's')
    const metadata = fc.constantFrom(new Map<string, Uint8Array>(), claim(THEM), claim(OTHERS), claim(US), toMetadata({ x: '1' }))
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('found' as const),
        provider,
        id,
        metadata: fc.option(metadata, { nil: undefined }),
        displayName: fc.constantFrom('', 'N', 'M')
      }),
      fc.record({ kind: fc.constant('metadata' as const), provider, id, metadata }),
      fc.record({ kind: fc.constant('lost' as const), provider, id }),
      fc.record({ kind: fc.constant('removeAll' as const), provider }),
      fc.constant({ kind: 'take' as const })
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const table = subject()
        const listed = new Set<Peer>()
        const left = new Set<Peer>()
        const seenDevices = new Map<string, Device>()
        const take = () => {
          const change = table.takeDevicesChange()
          for (const device of change?.removed ?? []) {
            expect(seenDevices.get(device.id)).to.equal(device)
            seenDevices.delete(device.id)
          }
          for (const device of change?.added ?? []) {
            expect(seenDevices.has(device.id)).to.equal(false)
            seenDevices.set(device.id, device)
          }
          for (const device of change?.changed ?? []) expect(seenDevices.get(device.id)).to.equal(device)
          // Whoever follows the changes knows what the list says.
          expect([...seenDevices.values()]).to.have.members([...table.devices])
        }
        for (const each of steps) {
          if (each.kind === 'take') {
            take()
            continue
          }
          const change =
            each.kind === 'found'
              ? table.found(each.provider, [
                  { id: each.id, displayName: each.displayName, ...(each.metadata === undefined ? {} : { metadata: each.metadata }) }
                ])
              : each.kind === 'metadata'
                ? table.metadata(each.provider, each.id, each.metadata)
                : each.kind === 'lost'
                  ? table.lost(each.provider, [each.id])
                  : table.removeAll(each.provider)
          for (const peer of change.added) {
            expect(left.has(peer)).to.equal(false)
            listed.add(peer)
          }
          for (const peer of change.removed) {
            expect(listed.delete(peer)).to.equal(true)
            left.add(peer)
          }
          expect(table.peers).to.have.members([...listed])
          for (const peer of listed) {
            expect(peer.online).to.equal(true)
            expect(peer.claimedDeviceId).to.not.equal(US)
            const device = table.device(peer.claimedDeviceId ?? `sighting:${peer.id}`)
            expect(device?.peers).to.include(peer)
          }
          for (const peer of left) expect(peer.online).to.equal(false)
          // Each peer is in one device, and no device is empty.
          expect(table.devices.flatMap(({ peers }) => peers)).to.have.members([...listed])
          for (const device of table.devices) expect(device.peers).to.not.deep.equal([])
        }
        take()
        table.removeAll('A')
        table.removeAll('B')
        take()
        expect(seenDevices.size).to.equal(0)
      }),
      { numRuns: 300 }
    )
  })
})
