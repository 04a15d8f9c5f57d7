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
  onlyKnownPeers,
  parseBasicAuthorization,
  parseCertificates,
  passwordAuthenticator,
  pinnedPeers,
  trustedAuthorities,
  trustOnFirstUse,
  verifyChain,
  type Authenticator,
  type Identity,
  type PeerCertificate
} from '@kithmesh/identity'
import { MemoryPeers } from './support/people.ts'
import { rejection } from '@kithmesh/testkit'

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
    const origins: unknown[] = []
    const asked = passwordAuthenticator((_username, _password, origin) => origins.push(origin) > 0)
    await asked.check(basicAuthorization({ username: 'a', password: '' }), { address: '192.0.2.1' })
    await asked.check(basicAuthorization({ username: 'a', password: '' }))
    expect(origins, 'where the login comes from').to.deep.equal([{ address: '192.0.2.1' }, { address: null }])
    for (const header of ['Bearer abc', 'Basic', 'Basic !!!', 'Basic YWJj', ''])
      expect(parseBasicAuthorization(header), header).to.equal(undefined)
    expect(authenticator.challenge).to.equal('Basic charset="UTF-8"')
    expect(equalSecrets('a', 'b')).to.equal(false)
  })
})

describe('authenticators by known peers', () => {
  const id = (digit: string): string => digit.repeat(64)
  const named = (digit: string, commonName: string): PeerCertificate => ({
    peerId: id(digit),
    commonName,
    certificateDer: Buffer.alloc(0),
    chain: [],
    role: 'client'
  })
  const outcome = async (authenticator: Authenticator, one: PeerCertificate): Promise<unknown> => {
    try {
      return await authenticator.check(one)
    } catch (error) {
      return (error as Error).message
    }
  }

  it('accept those that are trusted by now, and nobody unknown', async () => {
    const known = new MemoryPeers()
    const authenticator = onlyKnownPeers(known)
    expect(await outcome(authenticator, named('1', 'shop'))).to.equal(false)
    await known.remember({ peerId: id('1'), name: 'shop', level: 'restricted', how: 'seen' })
    expect(await outcome(authenticator, named('1', 'shop'))).to.equal(false)
    await known.remember({ peerId: id('1'), name: 'shop', level: 'trusted', how: 'by hand' })
    expect(await outcome(authenticator, named('1', 'other'))).to.equal(true)
    await known.remember({ peerId: id('1'), name: 'shop', level: 'blocked', how: 'by hand' })
    expect(await outcome(authenticator, named('1', 'shop'))).to.equal('it is blocked')
  })

  it('on first use remember the first of a name, and go by what is known otherwise', async () => {
    const known = new MemoryPeers()
    const authenticator = trustOnFirstUse(known)
    const both = await Promise.all([outcome(authenticator, named('1', 'shop')), outcome(authenticator, named('2', 'shop'))])
    expect(both).to.deep.equal([true, `"shop" was known as ${id('1')}`])
    expect(known.get(id('1'))).to.include({ name: 'shop', level: 'trusted', how: 'trust on first use' })
    // Renamed, it is still the same device, and both names are its own no longer than they are remembered.
    expect(await outcome(authenticator, named('1', 'store'))).to.equal(true)
    expect(await outcome(authenticator, named('3', ''))).to.equal('the peer has no name')
    expect(await outcome(authenticator, named('3', 'line\nfeed'))).to.equal(true)
    expect(await outcome(authenticator, named('4', 'line feed'))).to.contain('was known as')
    await known.remember({ peerId: id('1'), name: 'shop', level: 'blocked', how: 'by hand' })
    expect(await outcome(authenticator, named('1', 'shop'))).to.equal('it is blocked')
    expect(await outcome(authenticator, named('2', 'shop'))).to.equal(true)
  })
})
