import { expect } from 'chai'
import type { TrustProtocol, TrustVerdict } from '@kithmesh/core'
import {
  type Authenticator,
  type CertificateVerdict,
  type PeerCertificate,
  allOf,
  anyOf,
  groupKey,
  judgeCertificate
} from '@kithmesh/identity'
import { exchangePair, idOf } from '../support/trust-exchange.ts'
import { rejection } from '@kithmesh/testkit'

const peer: PeerCertificate = { peerId: idOf('1'), commonName: 'shop', certificateDer: Buffer.alloc(0), chain: [], role: 'client' }
const protocol = (name: string, verdict: TrustVerdict = { trusted: true }): TrustProtocol => ({ name, run: async () => verdict })
const says = (verdict: CertificateVerdict | Error, ...protocols: readonly TrustProtocol[]): Authenticator => ({
  name: 'part',
  ...(protocols.length === 0 ? {} : { protocols }),
  check: () => {
    if (verdict instanceof Error) throw verdict
    return verdict
  }
})
const names = async (authenticator: Authenticator): Promise<string> => {
  const { standing, protocols } = await judgeCertificate(authenticator, peer)
  return [standing, ...protocols.map(({ name }) => name)].join(' ')
}

describe('authenticators together', () => {
  it('trust whom any of them trusts', async () => {
    expect(await names(anyOf(says(false), says(new Error('late')), says(true)))).to.equal('trusted')
    expect(await names(anyOf(says('prove', protocol('a')), says(true)))).to.equal('trusted a')
    expect(await names(anyOf(says('prove', protocol('a')), says({ prove: [protocol('b')] }, protocol('c'))))).to.equal('prove a b')
    expect(await names(anyOf(says(true, protocol('a')), says(true, protocol('a'), protocol('b'))))).to.equal('trusted a b')
    const error = await rejection(judgeCertificate(anyOf(says(false), says(new Error('late')), says(new Error('lame'))), peer))
    expect(error.message).to.contain('part or part or part').and.contain('part: late; part: lame')
    expect(await rejection(judgeCertificate(anyOf(says(false)), peer))).to.include({ code: 'ERR_IDENTITY_UNTRUSTED' })
  })

  it('let nobody prove themselves to one by the protocol of another that refused', async () => {
    const members = allOf(says(false), says('prove', protocol('easy')))
    const others = says('prove', protocol('hard'))
    expect(await names(anyOf(members, others))).to.equal('prove hard')
    expect(await rejection(judgeCertificate(anyOf(members, says(false, protocol('x'))), peer))).to.include({
      code: 'ERR_IDENTITY_UNTRUSTED'
    })
  })

  it('trust whom all of them trust', async () => {
    expect(await names(allOf(says(true), says(true)))).to.equal('trusted')
    for (const refusing of [says(false), says(new Error('late'))])
      expect(await rejection(judgeCertificate(allOf(says(true), refusing, says('prove', protocol('a'))), peer))).to.include({
        code: 'ERR_IDENTITY_UNTRUSTED'
      })
    expect(await names(allOf(says(true), says('prove', protocol('a'), protocol('b'))))).to.equal('prove a b')
    expect(await names(allOf(says('prove', protocol('a'), protocol('b')), says({ prove: [protocol('c')] })))).to.equal('prove a+c b+c')
  })

  it('want the same combination from whom one of them knows already, as the other end offers no other', async () => {
    expect(await names(allOf(says(true, protocol('a')), says('prove', protocol('b'))))).to.equal('prove a+b')
    expect(await names(allOf(says(true, protocol('a')), says(true, protocol('b'))))).to.equal('trusted a+b')
  })

  it('offer nothing where nothing would convince one of them', async () => {
    expect(await names(allOf(says({ prove: [] }), says('prove', protocol('b'))))).to.equal('prove')
    expect(await names(anyOf(says({ prove: [] }), says(false)))).to.equal('prove')
  })

  it('are convinced only by all the proofs, in turn', async () => {
    const run = async (...parts: readonly TrustVerdict[]): Promise<TrustVerdict> => {
      const combined = allOf(...parts.map((verdict, index) => says('prove', protocol(`p${index}`, verdict))))
      return await combined.protocols![0]!.run(exchangePair().initiator)
    }
    const refusal = { trusted: false, reason: 'no' } as const
    expect(await run({ trusted: true }, { trusted: true })).to.deep.equal({ trusted: true, remember: false })
    expect(await run({ trusted: true, remember: true }, { trusted: true, remember: true })).to.deep.equal({ trusted: true, remember: true })
    expect(await run({ trusted: true, remember: true }, { trusted: true })).to.deep.equal({ trusted: true, remember: false })
    expect(await run(refusal, { trusted: true })).to.deep.equal(refusal)
    expect(await run({ trusted: true }, refusal)).to.deep.equal(refusal)
    const { timeLimitMs } = allOf(says('prove', { ...protocol('a'), timeLimitMs: 1000 }), says('prove', protocol('b'))).protocols![0]!
    expect(timeLimitMs).to.equal(31_000)
  })

  it('must be some, with protocols that combine in few ways', () => {
    expect(() => anyOf()).to.throw(TypeError)
    expect(() => allOf()).to.throw(TypeError)
    const five = says('prove', ...['a', 'b', 'c', 'd', 'e'].map((name) => protocol(name)))
    expect(() => allOf(five, five)).to.throw(TypeError, '16')
  })

  it('announce the authorities of all', () => {
    const authority = { ...says(true), authorities: ['pem'] }
    expect(anyOf(says(true), authority).authorities).to.deep.equal(['pem'])
    expect(allOf(groupKey(Buffer.alloc(16)), authority).authorities).to.deep.equal(['pem'])
    expect(anyOf(says(true))).not.to.have.property('authorities')
  })
})
