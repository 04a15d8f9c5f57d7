import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'chai'
import type { KnownPeer } from '@kithmesh/core'
import { type Revocation, openKnownPeers } from '@kithmesh/identity'
import { idOf } from '../support/trust-exchange.ts'
import { rejection } from '@kithmesh/testkit'

const peer = (digit: string, more: Partial<KnownPeer> = {}): KnownPeer => ({
  peerId: idOf(digit),
  name: `device ${digit}`,
  level: 'trusted',
  how: 'pairing/1',
  since: 1,
  lastSeen: 2,
  ...more
})
const revocation: Revocation = { peerId: idOf('a'), issuedAt: 5, reason: 'lost', authority: idOf('b'), signature: 'AAAA' }

describe('a file of known peers', () => {
  let directory: string
  let path: string
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'kithmesh-known-'))
    path = join(directory, 'known-peers.json')
  })
  afterEach(() => {
    rmSync(directory, { recursive: true, force: true })
  })

  it('keeps peers, whatever they are called, readable by its owner only', async () => {
    const peers = ['shop', '__proto__', 'constructor', 'ü"\\\u2028', ''].map((name, index) =>
      peer(String(index), { name, lastAddress: '[::1]:80' })
    )
    const file = openKnownPeers(path)
    expect(await file.load()).to.deep.equal([])
    expect(readdirSync(directory)).to.deep.equal([])
    await file.save(peers)
    expect(await openKnownPeers(path).load()).to.deep.equal(peers)
    expect(readdirSync(directory)).to.deep.equal(['known-peers.json'])
    expect(statSync(path).mode & 0o777).to.equal(0o600)
    expect(readFileSync(path, 'utf8'))
      .to.match(/^\{\n {2}"version": 1,/)
      .and.to.match(/\}\n$/)
    await file.save([])
    expect(await openKnownPeers(path).load()).to.deep.equal([])
  })

  it('keeps peers and revocations apart', async () => {
    const file = openKnownPeers(path)
    await Promise.all([file.save([peer('1')]), file.revocations.save([revocation]), file.save([peer('1'), peer('2')])])
    const again = openKnownPeers(path)
    expect(await again.load()).to.deep.equal([peer('1'), peer('2')])
    expect(await again.revocations.load()).to.deep.equal([revocation])
    await again.revocations.save([])
    expect(await openKnownPeers(path).load()).to.have.length(2)
  })

  it('takes over what older versions left, names by the peer that was first', async () => {
    writeFileSync(path, JSON.stringify({ shop: idOf('1'), peers: idOf('2'), version: idOf('3') }))
    const file = openKnownPeers(path)
    const old = await file.load()
    expect(old.map(({ peerId, name, level, how }) => [peerId, name, level, how])).to.deep.equal([
      [idOf('1'), 'shop', 'trusted', 'trust on first use'],
      [idOf('2'), 'peers', 'trusted', 'trust on first use'],
      [idOf('3'), 'version', 'trusted', 'trust on first use']
    ])
    await file.save([...old, peer('4')])
    expect((await openKnownPeers(path).load()).map(({ peerId }) => peerId)).to.deep.equal(['1', '2', '3', '4'].map(idOf))
    writeFileSync(path, '{}')
    expect(await openKnownPeers(path).load()).to.deep.equal([])
  })

  it('takes over what others changed meanwhile, and keeps what was changed here', async () => {
    const file = openKnownPeers(path)
    await file.save(['1', '2', '3', '4'].map((digit) => peer(digit)))
    const others = openKnownPeers(path)
    await others.load()
    // Elsewhere: 1 is blocked, 2 forgotten, 5 comes, and 4 is seen. Here: 3 is seen, 4 blocked, 6 comes.
    await others.save([peer('1', { level: 'blocked' }), peer('3'), peer('4', { lastSeen: 9 }), peer('5')])
    await file.save([peer('1'), peer('2'), peer('3', { lastSeen: 8 }), peer('4', { level: 'blocked' }), peer('6')])
    const result = await openKnownPeers(path).load()
    expect(result.map(({ peerId, level, lastSeen }) => [peerId[0], level, lastSeen]).sort()).to.deep.equal([
      ['1', 'blocked', 2],
      ['3', 'trusted', 8],
      ['4', 'blocked', 2],
      ['5', 'trusted', 2],
      ['6', 'trusted', 2]
    ])
    expect(await file.load()).to.deep.equal(result)
  })

  it('does not take back what others decided, when the peer is merely seen here', async () => {
    const file = openKnownPeers(path)
    await file.save([peer('1'), peer('2')])
    const others = openKnownPeers(path)
    await others.load()
    await others.save([peer('1', { level: 'blocked' }), peer('3', { level: 'blocked' })])
    for (let lastSeen = 10; lastSeen < 13; lastSeen++)
      await file.save([
        peer('1', { lastSeen }),
        peer('2', { lastSeen }),
        peer('3', { level: 'restricted', lastSeen }),
        peer('4', { level: 'restricted' })
      ])
    const result = await openKnownPeers(path).load()
    expect(result.map(({ peerId, level, lastSeen }) => [peerId[0], level, lastSeen]).sort()).to.deep.equal([
      ['1', 'blocked', 12],
      ['3', 'blocked', 12],
      ['4', 'restricted', 2]
    ])
    // Once the caller knows, it decides.
    await file.load()
    await file.save([peer('1'), peer('3', { level: 'blocked' })])
    expect((await openKnownPeers(path).load()).map(({ peerId, level }) => [peerId[0], level])).to.deep.equal([
      ['1', 'trusted'],
      ['3', 'blocked']
    ])
  })

  it('may be written by hand with little', async () => {
    writeFileSync(path, JSON.stringify({ version: 1, peers: [{ peerId: idOf('1'), level: 'blocked' }] }))
    expect(await openKnownPeers(path).load()).to.deep.equal([
      peer('1', { name: '', level: 'blocked', how: 'by hand', since: 0, lastSeen: 0 })
    ])
  })

  it('is an error when it is damaged, and never overwritten', async () => {
    const one = { peerId: idOf('1'), level: 'trusted' }
    const texts = [
      '',
      '{"a":',
      '[]',
      'null',
      '"x"',
      '{"shop":"no id"}',
      '{"shop":5}',
      JSON.stringify({ version: 2, peers: [] }),
      JSON.stringify({ peers: [] }),
      ...[
        [null],
        [{}],
        [{ ...one, peerId: idOf('A') }],
        [{ ...one, level: 'friend' }],
        [{ ...one, name: 5 }],
        [{ ...one, since: 'now' }],
        [{ ...one, lastAddress: {} }],
        [one, one]
      ].map((peers) => JSON.stringify({ version: 1, peers })),
      JSON.stringify({ version: 1, peers: [], revocations: {} }),
      JSON.stringify({ version: 1, peers: [], revocations: [{ ...revocation, signature: '?' }] })
    ]
    for (const text of texts) {
      writeFileSync(path, text)
      const file = openKnownPeers(path)
      for (const attempt of [file.load(), file.save([peer('2')]), file.revocations.load(), file.revocations.save([])]) {
        const error = await rejection(attempt)
        expect(error, text).to.include({ code: 'ERR_IDENTITY_KNOWN_PEERS' })
        expect(error.message).to.contain('is damaged').and.to.contain(path)
      }
      expect(readFileSync(path, 'utf8')).to.equal(text)
      expect(readdirSync(directory)).to.deep.equal(['known-peers.json'])
    }
    writeFileSync(path, '{}')
    await openKnownPeers(path).save([peer('2')])
  })

  it('cannot be kept where there is no directory, and leaves nothing behind', async () => {
    const file = openKnownPeers(join(directory, 'nope', 'known-peers.json'))
    expect(await file.load()).to.deep.equal([])
    expect(await rejection(file.save([peer('1')]))).to.include({ code: 'ERR_IDENTITY_KNOWN_PEERS' })
    const blocked = openKnownPeers(directory)
    expect(await rejection(blocked.load())).to.include({ code: 'ERR_IDENTITY_KNOWN_PEERS' })
    expect(readdirSync(directory)).to.deep.equal([])
  })
})
