import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  DEVICE_UUID_KEY,
  PEER_GROUP_NAMESPACE,
  PEER_ID_KEY,
  deviceIdFromMetadata,
  dials,
  isPeerId,
  keepWhich,
  peerIdMetadata,
  toMetadata,
  uuid5,
  uuidDigits
} from '@kithmesh/core/plugin'
import { thrown } from './fakes.ts'

const peerId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex'))
const utf8 = (text: string) => new TextEncoder().encode(text)

describe('uuid5', () => {
  it('agrees with the known vectors', () => {
    expect(uuid5(PEER_GROUP_NAMESPACE, 'com.example.group')).to.equal('6b2faab9-a7d1-57da-b22e-03bbcab4689a')
    expect(uuid5('E0C3793A-0739-42A2-A800-8BED236D8815', 'p2pTest')).to.equal('21a0207c-2125-58a7-b953-fca1687ef30a')
    expect(uuid5('6ba7b8109dad11d180b400c04fd430c8', 'www.example.com')).to.equal('2ed6657d-e927-568b-95e1-2665a8aea6a2')
  })

  it('refuses a namespace that is no UUID', () => {
    for (const wrong of ['', 'e0c3793a', 'g0c3793a-0739-42a2-a800-8bed236d8815', 'e0c3793a-073942a2-a800-8bed236d8815']) {
      expect(thrown(() => uuid5(wrong, 'x'))).to.be.instanceOf(TypeError)
      expect(uuidDigits(wrong)).to.equal(undefined)
    }
  })
})

describe('device claims', () => {
  const id = 'ab'.repeat(16) + '01'.repeat(16)

  it('reads the peer id in all three forms and writes the shortest text', () => {
    const bytes = Buffer.from(id, 'hex')
    const written = peerIdMetadata(id)
    expect(written._PID).to.match(/^[A-Za-z0-9_-]{43}$/)
    for (const value of [bytes, written._PID, id, id.toUpperCase()]) {
      expect(deviceIdFromMetadata(toMetadata({ [PEER_ID_KEY]: value }))).to.equal(id)
    }
  })

  it('survives the round trip for every id', () => {
    fc.assert(
      fc.property(peerId, (each) => {
        expect(deviceIdFromMetadata(toMetadata(peerIdMetadata(each)))).to.equal(each)
      })
    )
  })

  it('falls back to the device UUID, raw or as text', () => {
    const uuid = '6b2faab9-a7d1-57da-b22e-03bbcab4689a'
    const digits = uuid.replaceAll('-', '')
    for (const value of [Buffer.from(digits, 'hex'), uuid, uuid.toUpperCase(), digits]) {
      expect(deviceIdFromMetadata(toMetadata({ [DEVICE_UUID_KEY]: value }))).to.equal(`did:${uuid}`)
      expect(deviceIdFromMetadata(toMetadata({ [DEVICE_UUID_KEY]: value, [PEER_ID_KEY]: 'nonsense' }))).to.equal(`did:${uuid}`)
      expect(deviceIdFromMetadata(toMetadata({ [DEVICE_UUID_KEY]: value, ...peerIdMetadata(id) }))).to.equal(id)
    }
  })

  it('takes malformed claims for none, whatever they are', () => {
    expect(deviceIdFromMetadata(new Map())).to.equal(undefined)
    expect(deviceIdFromMetadata(toMetadata({ [PEER_ID_KEY]: '', [DEVICE_UUID_KEY]: 'abc' }))).to.equal(undefined)
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 80 }), (pid, did) => {
        const claim = deviceIdFromMetadata(
          new Map([
            [PEER_ID_KEY, pid],
            [DEVICE_UUID_KEY, did]
          ])
        )
        if (claim !== undefined) expect(isPeerId(claim) || /^did:[0-9a-f-]{36}$/.test(claim)).to.equal(true)
      })
    )
  })

  it('refuses to claim what is no peer id', () => {
    for (const wrong of ['', 'AB'.repeat(32), 'ab'.repeat(31)]) expect(thrown(() => peerIdMetadata(wrong))).to.be.instanceOf(TypeError)
  })

  it('does not look outside a view into a larger buffer', () => {
    const buffer = Buffer.concat([Buffer.alloc(8, 1), Buffer.from(id, 'hex'), Buffer.alloc(8, 2)])
    expect(deviceIdFromMetadata(new Map([[PEER_ID_KEY, buffer.subarray(8, 40)]]))).to.equal(id)
    expect(deviceIdFromMetadata(new Map([[PEER_ID_KEY, utf8('x')]]))).to.equal(undefined)
  })
})

describe('tie-break', () => {
  it('has exactly one side dial, for all pairs', () => {
    fc.assert(
      fc.property(peerId, peerId, (one, other) => {
        if (one === other) expect(dials(one, other)).to.equal(false)
        else expect(dials(one, other)).to.equal(!dials(other, one))
      })
    )
  })

  it('decides for neighbours and opposites on the circle too', () => {
    const flip = (id: string) => (Number.parseInt(id.slice(0, 1), 16) ^ 8).toString(16) + id.slice(1)
    fc.assert(
      fc.property(peerId, (id) => {
        expect(dials(id, flip(id))).to.equal(!dials(flip(id), id))
      })
    )
    expect(dials('00'.repeat(32), '00'.repeat(31) + '01')).to.equal(true)
    expect(dials('ff'.repeat(32), '00'.repeat(32))).to.equal(true)
    expect(dials('00'.repeat(32), 'ff'.repeat(32))).to.equal(false)
    expect(dials('70' + '00'.repeat(31), '90' + '00'.repeat(31))).to.equal(true)
  })

  it('gives every peer about half of the others to dial', () => {
    const ids = Array.from({ length: 200 }, (_, index) => createHash('sha256').update(String(index)).digest('hex'))
    for (const id of ids) expect(ids.filter((other) => dials(id, other)).length).to.be.within(60, 140)
  })

  it('refuses what is no peer id', () => {
    expect(thrown(() => dials('a', '11'.repeat(32)))).to.be.instanceOf(TypeError)
    expect(thrown(() => dials('11'.repeat(32), 'did:x'))).to.be.instanceOf(TypeError)
  })

  it('keeps the same of two links on both sides', () => {
    const direction = fc.constantFrom<'outgoing' | 'incoming'>('outgoing', 'incoming')
    const mirror = (each: 'outgoing' | 'incoming') => (each === 'outgoing' ? ('incoming' as const) : ('outgoing' as const))
    fc.assert(
      fc.property(peerId, peerId, direction, direction, (local, remote, first, second) => {
        fc.pre(local !== remote)
        const here = keepWhich(local, remote, { name: 1, direction: first }, { name: 2, direction: second })
        const there = keepWhich(remote, local, { name: 1, direction: mirror(first) }, { name: 2, direction: mirror(second) })
        expect(here.name).to.equal(there.name)
        if (first === second) expect(here.name).to.equal(2)
        else expect(here.direction).to.equal(dials(local, remote) ? 'outgoing' : 'incoming')
        // The order in which a side noticed two opposite links does not matter.
        if (first !== second)
          expect(keepWhich(local, remote, { name: 2, direction: second }, { name: 1, direction: first }).name).to.equal(here.name)
      })
    )
  })
})
