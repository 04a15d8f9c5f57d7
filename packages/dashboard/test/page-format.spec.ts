import { expect } from 'chai'
import {
  deviceName,
  formatAgo,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  formatSpan,
  formatTime,
  initialOf,
  plural,
  printable,
  shortId
} from '../dist/page/format.js'

describe('numbers and texts of the page', () => {
  it('are short at any size', () => {
    expect([0, 7, 12_345, 999_999, 1_234_567, 2e9].map(formatCount)).to.deep.equal(['0', '7', '12,345', '999,999', '1.2 M', '2.0 G'])
    expect([0, 812, 999, 1000, 1234, 48_000_000, 999_600, 5e12].map(formatBytes)).to.deep.equal([
      '0 B',
      '812 B',
      '999 B',
      '1.0 kB',
      '1.2 kB',
      '48.0 MB',
      '1.0 MB',
      '5.0 TB'
    ])
    expect([0, 0.04, 0.44, 9.94, 12.4, 1200].map(formatRate)).to.deep.equal(['0', '< 0.1', '0.4', '9.9', '12', '1,200'])
    expect([0, 900, 12_900, 61_000, 3 * 3_600_000, 3 * 86_400_000].map(formatSpan)).to.deep.equal([
      'now',
      'now',
      '12 s',
      '1 min',
      '3 h',
      '3 d'
    ])
    expect([10, 5000].map(formatAgo)).to.deep.equal(['just now', '5 s ago'])
    expect([8.4, 1400, 125_000].map(formatDuration)).to.deep.equal(['8 ms', '1.4 s', '2 min'])
    expect(formatTime(new Date(2026, 0, 2, 3, 4, 5).getTime())).to.equal('03:04:05')
    expect([plural(1, 'device'), plural(2, 'device')]).to.deep.equal(['1 device', '2 devices'])
  })

  it('shorten peer ids, and only these', () => {
    expect(shortId('0123456789abcdef'.repeat(4))).to.equal('01234567')
    expect(shortId('ws://example.org/db')).to.equal('ws://example.org/db')
  })

  it('show what is hidden in foreign texts, and keep them to one line of bounded length', () => {
    expect(printable('shop\u202Egpj.exe\u2066\u0000\n\u200B!')).to.equal('shop·gpj.exe····!')
    expect(printable('x'.repeat(5000), 10)).to.equal(`${'x'.repeat(9)}…`)
    expect(printable('\u{1F34E}'.repeat(12), 10)).to.equal(`${'\u{1F34E}'.repeat(9)}…`)
    expect(printable('<img onerror=alert(1)>')).to.equal('<img onerror=alert(1)>')
  })

  it('name a device by its id where it has no name', () => {
    const id = 'ab'.repeat(32)
    expect(deviceName('Shop', id)).to.equal('Shop')
    expect(deviceName(null, id)).to.equal('abababab')
    expect(deviceName('  ', id)).to.equal('abababab')
  })

  it('let one letter stand for a device', () => {
    expect(['shop', '<img', '  ärger', '東京', '!!', ''].map(initialOf)).to.deep.equal(['S', 'I', 'Ä', '東', '?', '?'])
  })
})
