// What devices prove to each other beyond their certificates: group key, password, pairing.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, documentBecomes, done, run, uniqueName } from '../support/kithmesh.mjs'
import { becomeEqual, connected, idOf, knownOf, SHOP, STORE, shopAndStoreWithDocuments, startSync } from './support.mjs'

describe('the proofs of kithmesh sync', () => {
  let group
  let home
  let shop
  let store

  beforeEach(async () => {
    ;({ group, home, shop, store } = await shopAndStoreWithDocuments())
  })
  afterEach(cleanUp)

  const fileWith = (name, text) => {
    const path = join(home, name)
    writeFileSync(path, `${text}\n`)
    return path
  }
  const both = (ofShop, ofStore, more = {}) => [
    startSync(shop, group, SHOP, { trust: ofShop, ...more }),
    startSync(store, group, STORE, { trust: ofStore, ...more })
  ]
  /** The first word that somebody of the two is not trusted, and why. */
  const refusal = (...syncs) =>
    Promise.any(syncs.map((sync) => sync.event(({ event, code }) => event === 'link' && code !== undefined, 'why there is no link')))
  const trustedBy = async (directory) => (await knownOf(directory)).filter(({ level }) => level === 'trusted')
  const nothingMoved = async () => {
    expect(await done(['ls', shop])).to.equal('secret\n')
    expect(await done(['ls', store])).to.equal('public\n')
  }

  it('by group key lead devices with the same key together, and remember nobody', async () => {
    const key = fileWith('key', 'ein langer schlüssel')
    both(['--group-key-file', key], ['--group-key-file', key])
    await becomeEqual({ shop, store })
    expect(await trustedBy(shop)).to.deep.equal([])
  })

  it('by group key keep devices with another one apart', async () => {
    const [a, b] = both(
      ['--group-key-file', fileWith('key', 'ein langer schlüssel')],
      ['--group-key-file', fileWith('other', 'ein anderer schlüssel')]
    )
    const { error } = await refusal(a, b)
    expect(error).to.match(/group key|refused|not trust/i)
    await nothingMoved()
  })

  it('by password lead devices with the same password together, and keep the others apart', async () => {
    const [a, b] = both(['--password-file', fileWith('password', '1234')], ['--password-file', fileWith('other', '1235')])
    await refusal(a, b)
    await nothingMoved()
    await Promise.all([a.stop(), b.stop()])
    const right = join(home, 'password')
    both(['--password-file', right], ['--password-file', right])
    await becomeEqual({ shop, store })
  })

  it('keep a device without any apart from one with a group key', async () => {
    const [a, b] = both(['--group-key-file', fileWith('key', 'ein langer schlüssel')], ['--insecure'])
    await refusal(a, b)
    await nothingMoved()
  })

  it('by pairing ask at both devices with the same code, and remember the answer', async () => {
    let [a, b] = both(['--pair'], ['--pair'], { talk: true })
    const ids = [await idOf(a), await idOf(b)]
    const [ofA, ofB] = await Promise.all([a, b].map((sync) => sync.event(({ event }) => event === 'pairing', 'the question')))
    expect(ofA.code).to.match(/^\d{6}$/)
    expect(ofB.code).to.equal(ofA.code)
    expect([ofA.device, ofB.device, ofA.name, ofB.name]).to.deep.equal([ids[1], ids[0], STORE, SHOP])
    await nothingMoved()
    a.say(`yes ${ids[1]}`)
    b.say(`yes ${ids[0]}`)
    await becomeEqual({ shop, store })
    expect((await trustedBy(shop)).map(({ peerId, name, how }) => [peerId, name, how])).to.deep.equal([[ids[1], STORE, 'pairing/1']])
    expect((await trustedBy(store)).map(({ peerId }) => peerId)).to.deep.equal([ids[0]])
    // From then on nobody is asked, and --pair is not needed.
    expect(await Promise.all([a.stop(), b.stop()])).to.deep.equal([0, 0])
    await done(['put', shop, 'later', '{}'])
    ;[a, b] = both([], [])
    await documentBecomes(store, 'later', (body) => body !== undefined)
  })

  it('by pairing leave devices apart when one of the two says no', async () => {
    const [a, b] = both(['--pair'], ['--pair'], { talk: true })
    const ids = [await idOf(a), await idOf(b)]
    await Promise.all([a, b].map((sync) => sync.event(({ event }) => event === 'pairing', 'the question')))
    a.say(`no ${ids[1]}`)
    const over = await b.event(({ event }) => event === 'pairing-over', 'the word that it is over')
    expect(over.device).to.equal(ids[0])
    expect(over.reason).to.match(/^not paired: /)
    await nothingMoved()
    expect([...(await trustedBy(shop)), ...(await trustedBy(store))]).to.deep.equal([])
  })

  it('by pairing need somebody who answers', async () => {
    const syncs = both(['--pair'], ['--pair'])
    const over = await Promise.any(syncs.map((sync) => sync.event(({ event }) => event === 'pairing-over', 'the word that nobody answers')))
    expect(over.reason).to.equal('not paired: nobody can answer, as the input has ended')
    await nothingMoved()
  })

  it('are given by devices of an authority until it revokes one, which ends at once on all of them', async () => {
    const office = join(home, 'office')
    await done(['identity', 'authority', office])
    const names = ['till', 'scales', 'stolen'].map(uniqueName)
    const directories = names.map((name) => join(home, name))
    for (const [index, directory] of directories.entries()) {
      await done(['identity', 'issue', office, directory, '--name', names[index]])
      await done(['put', directory, `of ${names[index]}`, '{}'])
    }
    const trust = ['--ca', join(office, 'authority.crt')]
    const [till, scales, stolen] = names.map((name, index) => startSync(directories[index], group, name, { trust }))
    for (const directory of directories)
      for (const name of names) await documentBecomes(directory, `of ${name}`, (body) => body !== undefined)
    const id = await idOf(stolen)
    await done(['identity', 'revoke', office, id, '--reason', 'stolen', '--in', directories[0]])
    for (const sync of [till, scales]) {
      const { error } = await sync.event(({ code, device }) => code === 'ERR_MESH_REVOKED' && device === id, 'the end of the link')
      expect(error).to.equal('The device was revoked: stolen')
    }
    await done(['put', directories[0], 'later', '{}'])
    await documentBecomes(directories[1], 'later', (body) => body !== undefined)
    expect((await run(['get', directories[2], 'later'])).code).to.equal(1)
    expect(await done(['peers', 'list', directories[1], '--json'])).to.contain('"level":"revoked","reason":"stolen"')
  })

  it('count no more for a device that is blocked, which ends at once', async () => {
    const key = fileWith('key', 'ein langer schlüssel')
    const [a, b] = both(['--group-key-file', key], ['--group-key-file', key])
    await Promise.all([connected(a), connected(b)])
    const id = await idOf(b)
    await done(['peers', 'block', shop, id])
    await a.event(({ code }) => code === 'ERR_MESH_BLOCKED', 'the end of the link')
    await done(['put', shop, 'later', '{}'])
    expect((await run(['get', store, 'later'])).code).to.equal(1)
  })
})
