import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type PeerCertificate, insecureAcceptAnyone, pinnedPeers, trustOnFirstUse } from '@kithmesh/identity'
import { knownPeersFile } from '../dist/known-peers.js'
import { printable } from '../dist/printable.js'
import { type Refusal, reportRefusals } from '../dist/refusals.js'
import { temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()
const peer = (letter: string, commonName = 'shop'): PeerCertificate => ({
  peerId: letter.repeat(64),
  commonName,
  certificateDer: Buffer.alloc(0),
  chain: [],
  role: 'client'
})

async function rejection(promise: unknown): Promise<Error> {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  throw new Error('It did not fail')
}

describe('the known peers of a directory', () => {
  afterEach(() => {
    temporary.clean()
  })

  it('are kept, whatever they are called', async () => {
    const directory = temporary.make()
    const store = knownPeersFile(directory)
    const names = ['shop', '__proto__', 'constructor', 'ü"\\', '1']
    expect(await store.get('toString')).to.equal(undefined)
    await Promise.all(names.map((name, index) => store.set(name, `id ${index}`)))
    for (const [index, name] of names.entries()) expect(await knownPeersFile(directory).get(name)).to.equal(`id ${index}`)
    expect(readdirSync(directory)).to.deep.equal(['known-peers.json'])
    expect(readFileSync(join(directory, 'known-peers.json'), 'utf8')).to.match(/\}\n$/)
  })

  it('may be edited meanwhile', async () => {
    const directory = temporary.make()
    const store = knownPeersFile(directory)
    await store.set('shop', 'a')
    writeFileSync(join(directory, 'known-peers.json'), '{}')
    expect(await store.get('shop')).to.equal(undefined)
  })

  it('are not replaced when the file is damaged', async () => {
    for (const text of ['', '{"a":', '[]', 'null', '"x"']) {
      const directory = temporary.make()
      writeFileSync(join(directory, 'known-peers.json'), text)
      const store = knownPeersFile(directory)
      for (const attempt of [store.get('shop'), store.set('shop', 'a')]) {
        expect(await rejection(attempt))
          .to.include({ code: 'ERR_CLI_FILE' })
          .and.to.have.property('message')
          .that.matches(/is damaged/)
      }
      expect(readFileSync(join(directory, 'known-peers.json'), 'utf8')).to.equal(text)
    }
  })

  it('cannot be kept where there is no directory, and the next one can', async () => {
    const store = knownPeersFile(join(temporary.make(), 'nope'))
    expect(await rejection(store.set('shop', 'a'))).to.include({ code: 'ERR_CLI_FILE' })
    expect(await rejection(store.set('shop', 'a'))).to.include({ code: 'ERR_CLI_FILE' })
  })
})

describe('refusals', () => {
  const collect = (
    inner: Parameters<typeof reportRefusals>[0]
  ): { check: (peer: PeerCertificate) => Promise<boolean>; told: Refusal[] } => {
    const refusals = reportRefusals(inner)
    const told: Refusal[] = []
    refusals.onRefused = (refusal) => {
      told.push(refusal)
    }
    return { check: async (one) => await refusals.authenticator.check(one), told }
  }

  it('change nothing about who is accepted', async () => {
    const { check, told } = collect(insecureAcceptAnyone())
    expect(await check(peer('a'))).to.equal(true)
    expect(told).to.deep.equal([])
    const authenticator = { name: 'x', authorities: ['pem'], check: () => true }
    expect(reportRefusals(authenticator).authenticator).to.include({ name: 'x', authorities: authenticator.authorities })
  })

  it('are told once for each device', async () => {
    const { check, told } = collect(pinnedPeers(['f'.repeat(64)]))
    for (const letter of ['a', 'a', 'b', 'a', 'f']) expect(await check(peer(letter))).to.equal(letter === 'f')
    expect(told.map(({ deviceId }) => deviceId[0])).to.deep.equal(['a', 'b'])
    expect(told[0]).to.deep.include({ name: 'shop', advice: `To accept it: --trust ${'a'.repeat(64)}` })
  })

  it('say who was known before', async () => {
    const known = new Map([['shop', 'b'.repeat(64)]])
    const { check, told } = collect(trustOnFirstUse({ get: (name) => known.get(name), set: () => {} }))
    await rejection(check(peer('a')))
    expect(told[0]?.reason).to.equal(`"shop" was known as ${'b'.repeat(64)}`)
    expect(told[0]?.advice).to.match(/delete "shop" from known-peers\.json/)
  })

  it('carry nothing that a terminal obeys', async () => {
    const { check, told } = collect(pinnedPeers([]))
    await check(peer('a', '\u001b[2Jevil\u202e\r\n'))
    expect(told[0]?.name).to.equal('?[2Jevil???')
    expect(printable('x'.repeat(1000))).to.have.lengthOf(300)
    expect(printable('日本 ü 🦉')).to.equal('日本 ü 🦉')
  })
})
