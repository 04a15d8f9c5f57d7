import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import { RecordCache } from '../dist/cache.js'
import { rrType } from '../dist/rdata.js'
import type { ResourceRecord } from '../dist/dns-message.js'

const txt = (text: string, ttl = 100, flush = true): ResourceRecord => ({
  name: 'Shop.local',
  ttl,
  flush,
  data: { type: rrType.TXT, bytes: Buffer.from(text) }
})
const address = (last: number, ttl = 100, flush = true): ResourceRecord => ({
  name: 'host.local',
  ttl,
  flush,
  data: { type: rrType.A, address: `192.0.2.${last}` }
})
const texts = (cache: RecordCache, now: number): string[] =>
  cache.find('shop.LOCAL', rrType.TXT, now).map(({ record: { data } }) => (data.type === rrType.TXT ? String(data.bytes) : ''))
const addresses = (cache: RecordCache, now: number): string[] =>
  cache
    .find('host.local', rrType.A, now)
    .map(({ record: { data } }) => ('address' in data ? data.address : ''))
    .sort()

describe('cache', () => {
  it('keeps a record for its TTL', () => {
    const cache = new RecordCache()
    expect([...cache.add([txt('a')], 0).names]).to.deep.equal(['shop.local'])
    expect(texts(cache, 99_999)).to.deep.equal(['a'])
    expect(texts(cache, 100_000)).to.deep.equal([])
    expect(cache.expire(99_999)).to.deep.equal([])
    expect(cache.expire(100_000)).to.deep.equal([txt('a')])
    expect(cache.size).to.equal(0)
  })
  it('starts over when the record is heard again, without calling it news', () => {
    const cache = new RecordCache()
    cache.add([txt('a')], 0)
    expect(cache.add([txt('a')], 90_000).names.size).to.equal(0)
    expect(texts(cache, 189_999)).to.deep.equal(['a'])
  })
  it('asks again at 80, 85, 90 and 95 % of the TTL, for what is wanted', () => {
    const cache = new RecordCache()
    cache.add([txt('a'), address(1)], 0)
    const wanted = ({ data }: ResourceRecord): boolean => data.type === rrType.TXT
    const asked: number[] = []
    for (let now = 0; now < 100_000; now += 1000) if (cache.due(now, wanted).length > 0) asked.push(now)
    expect(asked).to.deep.equal([80_000, 85_000, 90_000, 95_000])
    expect(cache.nextEvent()).to.equal(100_000)
    cache.add([txt('a')], 99_000)
    expect(cache.due(99_000 + 79_999, wanted)).to.deep.equal([])
    expect(cache.due(99_000 + 80_000, wanted).length).to.equal(1)
  })
  it('puts refreshes off by its jitter', () => {
    const cache = new RecordCache(0.02)
    cache.add([txt('a')], 0)
    expect(cache.nextEvent()).to.be.closeTo(82_000, 0.01)
  })
  it('keeps a record for one more second after a goodbye, and for good when it is heard again', () => {
    const cache = new RecordCache()
    cache.add([txt('a')], 0)
    expect(cache.add([txt('a', 0)], 5000).names.size).to.equal(1)
    expect(cache.find('shop.local', rrType.TXT, 5999)[0]?.leaving).to.equal(true)
    expect(texts(cache, 6000)).to.deep.equal([])
    cache.add([txt('a')], 5500)
    expect(texts(cache, 6000)).to.deep.equal(['a'])
  })
  it('ignores a goodbye to what it does not know', () => {
    expect(new RecordCache().add([txt('a', 0)], 0).names.size).to.equal(0)
  })
  it('lets a record with the cache-flush bit replace the others of its name and type', () => {
    const cache = new RecordCache()
    cache.add([txt('old'), address(1)], 0)
    cache.add([txt('new')], 10)
    expect(texts(cache, 11)).to.deep.equal(['new', 'old'])
    cache.expire(1010)
    expect(texts(cache, 1010)).to.deep.equal(['new'])
    expect(addresses(cache, 1010)).to.deep.equal(['192.0.2.1'])
  })
  it('takes all addresses of one packet, and of packets within a second, as one set', () => {
    const cache = new RecordCache()
    cache.add([address(1), address(2)], 0)
    cache.add([address(3)], 500)
    expect(addresses(cache, 3000)).to.deep.equal(['192.0.2.1', '192.0.2.2', '192.0.2.3'])
    cache.add([address(3)], 5000)
    expect(addresses(cache, 6000)).to.deep.equal(['192.0.2.3'])
  })
  it('names as known answers only records with half of their life left, with what is left', () => {
    const cache = new RecordCache()
    cache.add([txt('a')], 0)
    expect(cache.knownAnswers('shop.local', rrType.TXT, 30_000)).to.deep.equal([txt('a', 70, false)])
    expect(cache.knownAnswers('shop.local', rrType.TXT, 51_000)).to.deep.equal([])
  })
  it('takes no more records than its limit and says how many it refused', () => {
    const cache = new RecordCache(0, 2)
    expect(cache.add([address(1), address(2), address(3), address(1)], 0).refused).to.equal(1)
    expect(cache.size).to.equal(2)
    cache.expire(200_000)
    expect(cache.add([address(3)], 200_000).refused).to.equal(0)
  })
})
