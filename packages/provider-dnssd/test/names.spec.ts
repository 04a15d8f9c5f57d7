import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import {
  displayName,
  escapeLabel,
  groupName,
  hostLabel,
  instanceLabel,
  instanceName,
  nameKey,
  numberedLabel,
  splitFirst,
  splitName,
  truncateText
} from '../dist/names.js'

describe('names', () => {
  it('keep the dots and backslashes of a label inside the label', () => {
    const name = instanceName('Mr. Smith\\Co', '_couchbaseP2P._tcp')
    expect(name).to.equal('Mr\\. Smith\\\\Co._couchbaseP2P._tcp.local')
    expect(splitName(name).map(String)).to.deep.equal(['Mr. Smith\\Co', '_couchbaseP2P', '_tcp', 'local'])
    expect(displayName(name)).to.equal('Mr. Smith\\Co')
  })
  it('put a group with dots into one label', () => {
    expect(splitName(groupName('com.example.shop', '_couchbaseP2P._tcp')).map(String)).to.deep.equal([
      'com.example.shop',
      '_sub',
      '_couchbaseP2P',
      '_tcp',
      'local'
    ])
  })
  it('survive every byte in a label', () => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, index) => index))
    for (let start = 0; start < 256; start += 60) {
      const label = all.subarray(start, start + 60)
      expect(splitName(`${escapeLabel(label)}.local`)[0]).to.deep.equal(label)
    }
    const text = Buffer.from('Käthe 店 🏪')
    expect(escapeLabel(text)).to.equal('Käthe 店 🏪')
  })
  it('end at an unfinished escape without harm', () => {
    expect(splitName('a\\').map(String)).to.deep.equal(['a\\'])
    expect(splitName('a\\25').map(String)).to.deep.equal(['a25'])
    expect(splitName('').length).to.equal(0)
  })
  it('compare without regard to ASCII case only', () => {
    expect(nameKey('SHOP.Local')).to.equal('shop.local')
    expect(nameKey('Ä.local')).to.equal('Ä.local')
  })
  it('split at the first unescaped dot', () => {
    expect(splitFirst('a\\.b.c.d')).to.deep.equal({ first: 'a\\.b', rest: 'c.d' })
    expect(splitFirst('alone')).to.deep.equal({ first: 'alone', rest: '' })
  })
})

describe('labels', () => {
  it('are numbered within 63 bytes and whole characters', () => {
    expect(numberedLabel('Shop', 1)).to.equal('Shop')
    expect(numberedLabel('Shop', 2)).to.equal('Shop 2')
    expect(numberedLabel('shop', 3, '-')).to.equal('shop-3')
    const long = numberedLabel('ä'.repeat(40), 100)
    expect(Buffer.byteLength(long)).to.be.at.most(63)
    expect(long).to.match(/^ä+ 100$/)
  })
  it('are cut between characters', () => {
    expect(truncateText('a店b', 3)).to.equal('a')
    expect(truncateText('a店b', 4)).to.equal('a店')
  })
  it('of instances have no control characters, no lone surrogates, and are never empty', () => {
    expect(instanceLabel('a\u0000\nb', 'x')).to.equal('a b')
    expect(instanceLabel(' \u0007 ', 'fallback')).to.equal('fallback')
    expect(instanceLabel('a\ud800', 'x')).to.equal('a\ufffd')
  })
  it('of hosts are letters, digits and hyphens', () => {
    expect(hostLabel("Käthe's Rechner")).to.match(/^[A-Za-z0-9-]+$/)
    expect(hostLabel('店')).to.equal('kithmesh')
  })
})
