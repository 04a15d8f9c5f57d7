import { expect } from 'chai'
import fc from 'fast-check'
import { formatStunUri, parseStunUri } from '@kithmesh/stun'
import { isKithmeshError } from '@kithmesh/core'

describe('STUN and TURN URIs', () => {
  for (const [uri, expected] of [
    ['stun:example.org', { kind: 'stun', transport: 'udp', host: 'example.org', port: 3478 }],
    ['STUN:Example.ORG:8000', { kind: 'stun', transport: 'udp', host: 'example.org', port: 8000 }],
    ['stuns:example.org', { kind: 'stun', transport: 'tls', host: 'example.org', port: 5349 }],
    ['stun:[2001:DB8::1]:1', { kind: 'stun', transport: 'udp', host: '2001:db8::1', port: 1 }],
    ['turn:192.0.2.1', { kind: 'turn', transport: 'udp', host: '192.0.2.1', port: 3478 }],
    ['turn:192.0.2.1?transport=udp', { kind: 'turn', transport: 'udp', host: '192.0.2.1', port: 3478 }],
    ['turn:example.org:80?transport=tcp', { kind: 'turn', transport: 'tcp', host: 'example.org', port: 80 }],
    ['turns:example.org?transport=tcp', { kind: 'turn', transport: 'tls', host: 'example.org', port: 5349 }],
    ['turns:[::1]:443', { kind: 'turn', transport: 'tls', host: '::1', port: 443 }]
  ] as const)
    it(`reads ${uri}`, () => {
      expect(parseStunUri(uri)).to.deep.equal(expected)
      expect(parseStunUri(formatStunUri(parseStunUri(uri)))).to.deep.equal(expected)
    })

  for (const [uri, reason] of [
    ['example.org', 'begin with'],
    ['stun://example.org', 'slashes'],
    ['stun:', 'missing'],
    ['stun::3478', 'missing'],
    ['stun:2001:db8::1', 'brackets'],
    ['stun:[example.org]', 'IPv6'],
    ['stun:example.org:', 'port'],
    ['stun:example.org:0', 'port'],
    ['stun:example.org:65536', 'port'],
    ['stun:example.org:http', 'port'],
    ['stun:example.org?transport=tcp', 'after'],
    ['stun:user@example.org', 'host name'],
    ['stun:1.2.3', 'host name'],
    ['stun:a..b', 'host name'],
    ['turn:example.org?transport=sctp', 'understood'],
    ['turn:example.org?', 'understood'],
    ['turns:example.org?transport=udp', 'DTLS'],
    ['turn:example.org:1\n', 'port']
  ] as const)
    it(`refuses ${JSON.stringify(uri)}`, () => {
      let thrown: unknown
      try {
        parseStunUri(uri)
      } catch (error) {
        thrown = error
      }
      expect(thrown).to.satisfy((error: unknown) => isKithmeshError(error, 'ERR_STUN_URI'))
      expect((thrown as { details: { reason: string } }).details.reason).to.include(reason)
    })

  it('reads or refuses anything with ERR_STUN_URI', () => {
    fc.assert(
      fc.property(fc.constantFrom('stun:', 'turn:', 'turns:', ''), fc.string({ maxLength: 40 }), (scheme, rest) => {
        try {
          const uri = parseStunUri(scheme + rest)
          expect(parseStunUri(formatStunUri(uri))).to.deep.equal(uri)
        } catch (error) {
          if (!isKithmeshError(error, 'ERR_STUN_URI')) throw error
        }
      }),
      { numRuns: 500 }
    )
  })
})
