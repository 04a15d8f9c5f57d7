import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { PresenceTable } from '../src/presence-table.ts'
import { formatRecord, parseRecord, type ServiceRecord } from '../src/record.ts'

const shop: ServiceRecord = {
  peerGroupId: 'com.example.shop',
  peerId: '5f'.repeat(32),
  displayName: 'Shop',
  port: 4984,
  addresses: ['192.0.2.7', '2001:db8::7'],
  metadata: new Map([['colour', Buffer.from('blue')]]),
  beat: 1
}

describe('presence', () => {
  it('is lost when the record no longer changes, and found again when it does', () => {
    const table = new PresenceTable(1000)
    assert.deepEqual(table.update([shop], 0), { found: [shop], metadataChanged: [], lost: [] })
    assert.deepEqual(table.update([shop], 999), { found: [], metadataChanged: [], lost: [] })
    assert.deepEqual(table.update([shop], 1000), { found: [], metadataChanged: [], lost: [shop.peerId] })
    assert.equal(table.get(shop.peerId), undefined)
    assert.deepEqual(table.update([shop], 5000), { found: [], metadataChanged: [], lost: [] })
    const alive = { ...shop, beat: 2 }
    assert.deepEqual(table.update([alive], 6000), { found: [alive], metadataChanged: [], lost: [] })
    assert.equal(table.get(shop.peerId), alive)
  })
  it('is kept by a record that changes, whatever else it says', () => {
    const table = new PresenceTable(1000)
    table.update([shop], 0)
    for (let beat = 2; beat < 10; beat++)
      assert.deepEqual(table.update([{ ...shop, beat }], beat * 900), { found: [], metadataChanged: [], lost: [] })
  })
  it('ends with the file', () => {
    const table = new PresenceTable(1000)
    table.update([shop], 0)
    assert.deepEqual(table.update([], 1).lost, [shop.peerId])
    assert.deepEqual(table.update([], 2).lost, [])
  })
})

describe('a record', () => {
  it('is read as it was written', () => {
    assert.deepEqual(parseRecord(formatRecord(shop)), shop)
  })
  const text = formatRecord(shop)
  const hostile: Readonly<Record<string, string>> = {
    'no JSON': text.slice(1),
    'half a record': text.slice(0, 80),
    null: 'null',
    'a list': '[]',
    'another version': text.replace('"version":1', '"version":2'),
    'no peer id': text.replace('"peerId"', '"peer"'),
    'a path for a peer id': text.replace(shop.peerId, '../../etc/passwd'),
    'port 0': text.replace('4984', '0'),
    'port 65536': text.replace('4984', '65536'),
    'a name for an address': text.replace('192.0.2.7', 'example.org'),
    'too many addresses': text.replace('["192.0.2.7"', `["192.0.2.7"${',"192.0.2.7"'.repeat(16)}`),
    'metadata that is no text': text.replace('"Ymx1ZQ=="', '{}'),
    'no metadata': text.replace('"metadata"', '"data"')
  }
  for (const [what, bad] of Object.entries(hostile)) {
    it(`is refused: ${what}`, () => {
      assert.notEqual(bad, text)
      assert.equal(parseRecord(bad), undefined)
    })
  }
})
