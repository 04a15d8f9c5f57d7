import { expect } from 'chai'
import fc from 'fast-check'
import { encodeRequest, originOf, parseReply } from '../dist/ntp-packet.js'
import { parseServer } from '../dist/server-name.js'
import { replyTo, writeTime } from './support/scripted-server.ts'
import type { Script } from './support/scripted-server.ts'

const now = Date.UTC(2026, 10, 21, 6)
const token = Buffer.from('0123456789abcdef', 'hex')
const reply = (script: Script = {}): Buffer => replyTo(encodeRequest(token), now, now + 2, script)

describe('NTP packets', () => {
  it('asks as a client of version 4, and tells nothing but the random bytes', () => {
    const request = encodeRequest(token)
    expect(request.toString('hex')).to.equal(`23${'00'.repeat(39)}0123456789abcdef`)
  })

  it('reads what a server says', () => {
    const parsed = parseReply(reply({ rootDelayMs: 31.25, rootDispersionMs: 15.625 }), now)
    if (parsed.kind !== 'reply') throw new Error(`it is ${parsed.kind}`)
    expect(parsed).to.include({ stratum: 2, rootDelay: 31.25, rootDispersion: 15.625 })
    expect(parsed.receivedAt).to.be.closeTo(now, 0.001)
    expect(parsed.sentAt).to.be.closeTo(now + 2, 0.001)
    expect(parsed.precision).to.be.closeTo(1_000 / 2 ** 20, 1e-9)
    expect(originOf(reply())).to.equal(token.toString('hex'))
  })

  it('reads the time in the era that is next to the local clock', () => {
    for (const at of [Date.UTC(2036, 1, 7, 6, 28, 15), Date.UTC(2036, 1, 7, 6, 28, 17), Date.UTC(2059, 0, 1), Date.UTC(1999, 0, 1)]) {
      for (const skew of [0, 20 * 365 * 86_400_000, -20 * 365 * 86_400_000]) {
        const parsed = parseReply(replyTo(encodeRequest(token), at, at), at + skew)
        expect(parsed).to.include({ kind: 'reply', receivedAt: at })
      }
    }
  })

  const refused: [string, Buffer, RegExp][] = [
    ['a truncated packet', reply().subarray(0, 47), /47 bytes/],
    ['a packet with something behind it', Buffer.concat([reply(), Buffer.alloc(4)]), /52 bytes/],
    ['an empty packet', Buffer.alloc(0), /0 bytes/],
    ["a client's packet", reply({ mode: 3 }), /mode is 3/],
    ['a broadcast', reply({ mode: 5 }), /mode is 5/],
    ['version 2', reply({ version: 2 }), /version is 2/],
    ['version 5', reply({ version: 5 }), /version is 5/],
    ['stratum 16', reply({ stratum: 16 }), /stratum is 16/],
    ['stratum 255', reply({ stratum: 255 }), /stratum is 255/],
    ['an unsynchronised clock', reply({ leap: 3 }), /not synchronised/],
    ['a server sixteen seconds from its reference', reply({ rootDispersionMs: 16_000 }), /too far/],
    ['a reply without the time of its arrival', changed((packet) => packet.fill(0, 32, 40)), /no timestamps/],
    ['a reply without the time of sending', changed((packet) => packet.fill(0, 40, 48)), /no timestamps/],
    [
      'a reply sent before the request',
      changed((packet) => {
        writeTime(packet, 40, now - 1)
      }),
      /before the request/
    ],
    [
      'a reply sent before the last synchronisation',
      changed((packet) => {
        writeTime(packet, 16, now + 5)
      }),
      /synchronised after/
    ]
  ]
  for (const [what, packet, reason] of refused)
    it(`refuses ${what}`, () => {
      const parsed = parseReply(packet, now)
      if (parsed.kind !== 'invalid') throw new Error(`it is ${parsed.kind}`)
      expect(parsed.reason).to.match(reason)
    })

  it('reads the letters of a refusal', () => {
    expect(parseReply(reply({ kiss: 'RATE' }), now)).to.deep.equal({ kind: 'kiss-o-death', code: 'RATE' })
    expect(parseReply(reply({ kiss: '\x1b[2J' }), now)).to.deep.equal({ kind: 'kiss-o-death', code: '????' })
  })

  it('answers any bytes with a verdict', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 0, maxLength: 60 }), (bytes) => {
        const parsed = parseReply(Buffer.from(bytes), now)
        if (parsed.kind === 'reply') expect(parsed.sentAt).to.be.at.least(parsed.receivedAt)
      })
    )
  })
})

describe('names of time servers', () => {
  const names: [string, string, number][] = [
    ['ntp.example.org', 'ntp.example.org', 123],
    ['ntp.example.org.', 'ntp.example.org.', 123],
    ['ntp.example.org:1123', 'ntp.example.org', 1123],
    ['ntp://ntp.example.org', 'ntp.example.org', 123],
    ['192.0.2.1', '192.0.2.1', 123],
    ['192.0.2.1:65535', '192.0.2.1', 65_535],
    ['2001:db8::1', '2001:db8::1', 123],
    ['[2001:db8::1]', '2001:db8::1', 123],
    ['[2001:db8::1]:1123', '2001:db8::1', 1123]
  ]
  for (const [name, host, port] of names)
    it(`reads ${name}`, () => {
      expect(parseServer(name)).to.deep.equal({ name, host, port })
    })

  for (const name of [
    '',
    ':123',
    'a b',
    'http://a',
    'a:0',
    'a:65536',
    'a:x',
    '1.2.3.400',
    '1.2.3',
    '[192.0.2.1]',
    '[::1',
    'a/b',
    'a..b',
    '-a'
  ])
    it(`refuses ${JSON.stringify(name)}`, () => {
      expect(() => parseServer(name))
        .to.throw()
        .with.property('code', 'ERR_NTP_SERVER')
    })
})

function changed(change: (packet: Buffer) => unknown): Buffer {
  const packet = reply()
  change(packet)
  return packet
}
