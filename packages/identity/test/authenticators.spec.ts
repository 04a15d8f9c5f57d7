import { X509Certificate } from 'node:crypto'
import { expect } from 'chai'
import { systemClock, type Clock } from '@kithmesh/core'
import {
  acceptCertificate,
  basicAuthorization,
  createCertificateAuthority,
  createIdentity,
  equalSecrets,
  insecureAcceptAnyone,
  parseBasicAuthorization,
  parseCertificates,
  passwordAuthenticator,
  pinnedPeers,
  trustedAuthorities,
  trustOnFirstUse,
  verifyChain,
  type Identity,
  type PeerCertificate
} from '@kithmesh/identity'
import { rejection } from './support/rejection.ts'

const DAY_MS = 86_400_000
const at = (ms: number): Clock => ({ ...systemClock, now: () => ms })

function peer(identity: Identity, role: 'client' | 'server' = 'client'): PeerCertificate {
  return {
    peerId: identity.peerId,
    certificateDer: identity.certificateDer,
    chain: parseCertificates(identity.chainPem).map(({ raw }) => raw),
    commonName: identity.commonName,
    role
  }
}

describe('authenticators', () => {
  let authority: Identity
  let member: Identity
  let stranger: Identity
  before(async () => {
    authority = await createCertificateAuthority({ commonName: 'authority' })
    member = await createIdentity({ commonName: 'member', issuer: authority })
    stranger = await createIdentity({ commonName: 'member', issuer: await createCertificateAuthority({ commonName: 'authority' }) })
  })

  it('by authority accept what it signed and nothing else', async () => {
    const authenticator = trustedAuthorities([authority.certificatePem])
    expect(await authenticator.check(peer(member))).to.equal(true)
    expect(await authenticator.check(peer(member, 'server'))).to.equal(true)
    expect(() => authenticator.check(peer(stranger))).to.throw('no path')
    expect(() => authenticator.check({ ...peer(stranger), chain: [stranger.certificateDer, authority.certificateDer] })).to.throw('no path')
  })

  it('by authority look at validity dates', async () => {
    const late = await createIdentity({ commonName: 'late', issuer: authority, validDays: 2 })
    expect(trustedAuthorities([authority.certificatePem], { clock: at(Date.now() + DAY_MS) }).check(peer(late))).to.equal(true)
    expect(() => trustedAuthorities([authority.certificatePem], { clock: at(Date.now() + 3 * DAY_MS) }).check(peer(late))).to.throw(
      'expired'
    )
    expect(() => trustedAuthorities([authority.certificatePem], { clock: at(Date.now() - 2 * DAY_MS) }).check(peer(late))).to.throw(
      'not valid before'
    )
  })

  it('by authority do not let an ordinary member sign others', async () => {
    const forged = await createIdentity({ commonName: 'forged', issuer: member })
    expect(() => trustedAuthorities([authority.certificatePem]).check(peer(forged))).to.throw('no path')
  })

  it('by authority look at the extended key usage', () => {
    const certificates = [new X509Certificate(member.certificateDer)]
    const verify = (usage: readonly string[]): boolean => {
      const leaf = new Proxy(certificates[0]!, {
        get: (target, name) => {
          if (name === 'keyUsage') return usage
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? (value as (...all: unknown[]) => unknown).bind(target) : value
        }
      })
      return verifyChain([leaf], parseCertificates(authority.certificatePem), { now: Date.now(), usage: 'client' }).valid
    }
    expect(verify(['1.3.6.1.5.5.7.3.2'])).to.equal(true)
    expect(verify(['1.3.6.1.5.5.7.3.1'])).to.equal(false)
  })

  it('by pin accept exactly the pinned peers', async () => {
    const authenticator = pinnedPeers([member.peerId.toUpperCase()])
    expect(authenticator.check(peer(member))).to.equal(true)
    expect(authenticator.check(peer(stranger))).to.equal(false)
    expect(() => pinnedPeers(['abc'])).to.throw(TypeError)
  })

  it('by callback and for anyone', async () => {
    expect(await acceptCertificate(({ commonName }) => commonName === 'member').check(peer(member))).to.equal(true)
    expect(await acceptCertificate(() => false).check(peer(member))).to.equal(false)
    expect(await insecureAcceptAnyone().check(peer(stranger))).to.equal(true)
  })

  it("on first use remember a name's peer and refuse another, also when both come at once", async () => {
    const names = new Map<string, string>()
    const authenticator = trustOnFirstUse({
      get: async (name) => names.get(name),
      set: async (name, id) => {
        names.set(name, id)
      }
    })
    const [first, second] = await Promise.allSettled([authenticator.check(peer(member)), authenticator.check(peer(stranger))])
    expect([first.status, second.status]).to.deep.equal(['fulfilled', 'rejected'])
    expect(await authenticator.check(peer(member))).to.equal(true)
    expect(await rejection(authenticator.check(peer(stranger)) as Promise<boolean>))
      .to.have.property('message')
      .that.contains('was known as')
  })

  it('by password read HTTP Basic', async () => {
    const authenticator = passwordAuthenticator((username, password) => username === 'ann' && equalSecrets(password, 'geheim:ü'))
    expect(await authenticator.check(basicAuthorization({ username: 'ann', password: 'geheim:ü' }))).to.equal('ann')
    expect(await authenticator.check(basicAuthorization({ username: 'ann', password: 'geheim' }))).to.equal(undefined)
    expect(await authenticator.check(undefined)).to.equal(undefined)
    expect(
      await passwordAuthenticator(() => {
        throw new Error('down')
      }).check(basicAuthorization({ username: 'a', password: '' }))
    ).to.equal(undefined)
    const inLatin1 = `Basic ${Buffer.from('ann:geheim:ü', 'latin1').toString('base64')}`
    expect(await authenticator.check(inLatin1)).to.equal('ann')
    for (const header of ['Bearer abc', 'Basic', 'Basic !!!', 'Basic YWJj', ''])
      expect(parseBasicAuthorization(header), header).to.equal(undefined)
    expect(authenticator.challenge).to.equal('Basic charset="UTF-8"')
    expect(equalSecrets('a', 'b')).to.equal(false)
  })
})
