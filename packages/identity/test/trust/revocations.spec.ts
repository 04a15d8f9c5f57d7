import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import {
  type Identity,
  type PeerCertificate,
  type Revocation,
  RevocationList,
  type RevocationStore,
  allOf,
  createCertificateAuthority,
  createIdentity,
  createRevocation,
  judgeCertificate,
  parseCertificates,
  parseRevocation,
  trustedAuthorities,
  verifyRevocation
} from '@kithmesh/identity'
import { idOf } from '../support/trust-exchange.ts'
import { recordingLogger, rejection } from '@kithmesh/testkit'

const peer = (identity: Identity): PeerCertificate => ({
  peerId: identity.peerId,
  certificateDer: identity.certificateDer,
  chain: parseCertificates(identity.chainPem).map(({ raw }) => raw),
  commonName: identity.commonName,
  role: 'client'
})

class MemoryStore implements RevocationStore {
  stored: readonly Revocation[] = []
  failing = false
  load = async (): Promise<readonly Revocation[]> => this.stored
  save = async (revocations: readonly Revocation[]): Promise<void> => {
    if (this.failing) throw new Error('disk full')
    this.stored = revocations
  }
}

describe('revocations', () => {
  let authority: Identity
  let rsa: Identity
  let stranger: Identity
  let member: Identity
  before(async () => {
    authority = await createCertificateAuthority({ commonName: 'authority' })
    rsa = await createCertificateAuthority({ commonName: 'authority', kind: 'rsa' })
    stranger = await createCertificateAuthority({ commonName: 'authority' })
    member = await createIdentity({ commonName: 'member', issuer: authority })
  })

  it('are verified by the certificates of the authorities', () => {
    for (const by of [authority, rsa]) {
      const revocation = createRevocation(by, member.peerId, { reason: 'stolen', clock: { now: () => 1234.5 } })
      expect(revocation).to.include({ peerId: member.peerId, issuedAt: 1234, reason: 'stolen', authority: by.peerId })
      expect(verifyRevocation(revocation, [stranger.certificatePem, authority.certificatePem + rsa.certificatePem])).to.equal(true)
      expect(verifyRevocation(revocation, [stranger.certificatePem])).to.equal(false)
      expect(verifyRevocation(revocation, [])).to.equal(false)
      expect(parseRevocation(JSON.parse(JSON.stringify(revocation)))).to.deep.equal(revocation)
    }
  })

  it('are nothing when a field was changed, or the signature is of somebody else', () => {
    const revocation = createRevocation(authority, member.peerId, { reason: 'stolen' })
    const believed = [authority.certificatePem, rsa.certificatePem]
    const changes: readonly Partial<Revocation>[] = [
      { peerId: idOf('1') },
      { issuedAt: revocation.issuedAt + 1 },
      { reason: 'Stolen' },
      { authority: rsa.peerId },
      { signature: createRevocation(authority, idOf('1')).signature },
      { signature: createRevocation(stranger, member.peerId, { reason: 'stolen' }).signature },
      { signature: 'AAAA' }
    ]
    for (const change of changes) expect(verifyRevocation({ ...revocation, ...change }, believed), JSON.stringify(change)).to.equal(false)
  })

  it('are read strictly', () => {
    const good = createRevocation(authority, member.peerId)
    const wrong: readonly unknown[] = [
      null,
      'x',
      [],
      {},
      { ...good, peerId: 'abc' },
      { ...good, peerId: good.peerId.toUpperCase() },
      { ...good, issuedAt: 1.5 },
      { ...good, issuedAt: -1 },
      { ...good, issuedAt: '1' },
      { ...good, reason: 'x'.repeat(201) },
      { ...good, reason: undefined },
      { ...good, authority: 5 },
      { ...good, signature: '' },
      { ...good, signature: 'not base64!' },
      { ...good, signature: 'A'.repeat(2000) }
    ]
    for (const each of wrong) expect(parseRevocation(each), JSON.stringify(each)).to.equal(undefined)
    expect(parseRevocation({ ...good, more: 'is dropped' })).to.deep.equal(good)
    expect(() => createRevocation(authority, 'abc')).to.throw(TypeError)
    expect(() => createRevocation(authority, member.peerId, { reason: 'x'.repeat(201) })).to.throw(TypeError)
  })

  it('come into the list from anybody, when an authority of ours signed them', async () => {
    const list = new RevocationList({ authorities: [authority.certificatePem] })
    const good = createRevocation(authority, member.peerId)
    const forged = { ...createRevocation(stranger, idOf('1')), authority: authority.peerId }
    expect(await list.add([null, forged, createRevocation(stranger, idOf('2')), good, good])).to.deep.equal([good])
    expect(await list.add([good, createRevocation(authority, member.peerId, { reason: 'again' })])).to.deep.equal([])
    expect(list.list.current).to.deep.equal([good])
    expect(list.get(member.peerId)).to.deep.equal(good)
  })

  it('refuse whoever is revoked, at once, and those that a revoked authority certified', async () => {
    const list = new RevocationList({ authorities: [authority.certificatePem] })
    const both = allOf(list.authenticator, trustedAuthorities([authority.certificatePem]))
    expect(await judgeCertificate(both, peer(member))).to.include({ standing: 'trusted' })
    await list.add([createRevocation(authority, member.peerId, { reason: 'stolen', clock: { now: () => 0 } })])
    const error = await rejection(judgeCertificate(both, peer(member)))
    expect(error).to.include({ code: 'ERR_IDENTITY_UNTRUSTED' })
    expect(error.message).to.contain('it was revoked at 1970-01-01T00:00:00.000Z: stolen')
    const other = await createIdentity({ commonName: 'other', issuer: stranger })
    expect(list.authenticator.check(peer(other))).to.equal(true)
    await list.add([createRevocation(authority, stranger.peerId)])
    expect(() => list.authenticator.check(peer(other))).to.throw('the authority that certified it was revoked')
  })

  it('are watched, and compared by a digest that does not depend on their order', async () => {
    const [one, other] = [createRevocation(authority, idOf('1')), createRevocation(authority, idOf('2'))]
    const lists = [
      new RevocationList({ authorities: [authority.certificatePem] }),
      new RevocationList({ authorities: [authority.certificatePem] })
    ]
    const seen: number[] = []
    lists[0]!.list.onChange((current) => seen.push(current.length))
    const empty = lists[0]!.digest
    await lists[0]!.add([one])
    await lists[0]!.add([other])
    await lists[1]!.add([other])
    expect(lists[0]!.digest).not.to.equal(lists[1]!.digest).and.not.to.equal(empty)
    await lists[1]!.add([one])
    expect(lists[0]!.digest).to.equal(lists[1]!.digest)
    await Promise.resolve()
    expect(seen).to.deep.equal([1, 2])
  })

  it('survive in a store, and only those of authorities that are still believed', async () => {
    const store = new MemoryStore()
    const list = new RevocationList({ authorities: [authority.certificatePem, rsa.certificatePem], store })
    await list.start()
    await Promise.all([list.add([createRevocation(authority, idOf('1'))]), list.add([createRevocation(rsa, idOf('2'))])])
    expect(store.stored.map(({ peerId }) => peerId)).to.deep.equal([idOf('1'), idOf('2')])
    const later = new RevocationList({ authorities: [authority.certificatePem], store })
    await later.start()
    expect(later.list.current.map(({ peerId }) => peerId)).to.deep.equal([idOf('1')])
  })

  it('count even when they cannot be stored', async () => {
    const store = new MemoryStore()
    const list = new RevocationList({ authorities: [authority.certificatePem], store })
    expect(errorCode(await rejection(list.add([createRevocation(authority, idOf('1'))])))).to.equal('ERR_IDENTITY_KNOWN_PEERS')
    await list.start()
    store.failing = true
    expect(await rejection(list.add([createRevocation(authority, idOf('2'))]))).to.have.property('message', 'disk full')
    expect(list.list.current).to.have.length(2)
    store.failing = false
    await list.add([createRevocation(authority, idOf('3'))])
    expect(store.stored).to.have.length(3)
  })

  it('are bounded in number, for each call and in all', async () => {
    const logger = recordingLogger()
    for (const limit of [NaN, 0]) expect(() => new RevocationList({ authorities: [authority.certificatePem], limit })).to.throw(TypeError)
    const list = new RevocationList({ authorities: [authority.certificatePem], limit: 2, logger })
    const three = ['1', '2', '3'].map((digit) => createRevocation(authority, idOf(digit)))
    expect(await list.add(three)).to.have.length(2)
    expect(logger.entries.map(({ level, message }) => `${level}: ${message}`)).to.deep.equal([
      'error: there are too many revocations, one is not kept'
    ])
    let asked = 0
    const endless = function* (): Generator<unknown> {
      for (;;) {
        asked++
        yield {}
      }
    }
    await list.add(endless())
    expect(asked).to.equal(1001)
  })
})
