// Whom `kithmesh sync` accepts, and how it says whom it does not.
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, documentBecomes, done, newGroup, run } from '../support/kithmesh.mjs'
import { becomeEqual, connected, idOf, knownOf, SHOP, STORE, shopAndStoreWithDocuments, startSync } from './support.mjs'

describe('the trust of kithmesh sync', () => {
  let group
  let home
  let shop
  let store

  beforeEach(async () => {
    ;({ group, home, shop, store } = await shopAndStoreWithDocuments())
  })
  afterEach(cleanUp)

  /** Resolves with the first report that `guard` refused `id`, whoever of the two dialled. */
  const refusal = (guard, id) => guard.event(({ event, device }) => event === 'refused' && device === id, 'the refusal')

  /** Whom a directory knows for good. */
  const known = async (directory) => (await knownOf(directory)).map(({ peerId, level, name }) => [peerId, level, name])

  /** The id that a directory has, from a run in a group of its own. */
  const idAlone = async (directory, name) => {
    const sync = startSync(directory, newGroup(), name)
    const id = await idOf(sync)
    await sync.stop()
    return id
  }

  it('remembers who came first under a name, and refuses another one later with a clear message', async () => {
    const a = startSync(shop, group, SHOP)
    let b = startSync(store, group, STORE)
    await Promise.all([connected(a), connected(b)])
    await documentBecomes(shop, 'public', (body) => body !== undefined)
    const first = await idOf(b)
    expect(await known(shop)).to.deep.equal([[first, 'trusted', STORE]])
    expect(await b.stop()).to.equal(0)
    rmSync(join(store, 'identity.pem'))
    await done(['put', store, 'from the other one', '{}'])
    await done(['put', shop, 'later', '{}'])
    b = startSync(store, group, STORE)
    const second = await idOf(b)
    expect(second).not.to.equal(first)
    expect(await refusal(a, second)).to.deep.equal({
      event: 'refused',
      device: second,
      name: STORE,
      reason: `"${STORE}" was known as ${first}`,
      hint: `To accept it: kithmesh peers allow ${shop} ${second}`
    })
    expect(await done(['ls', shop])).to.equal('later\npublic\nsecret\n')
    expect(await done(['ls', store])).to.equal('from the other one\npublic\nsecret\n')
    // The advice helps, without a restart of the one that refused.
    await done(['peers', 'allow', shop, second])
    await b.stop()
    b = startSync(store, group, STORE)
    await documentBecomes(store, 'later', (body) => body !== undefined)
    await documentBecomes(shop, 'from the other one', (body) => body !== undefined)
  })

  it('accepts the ids given with --trust', async () => {
    const ids = [await idAlone(shop, SHOP), await idAlone(store, STORE)]
    const a = startSync(shop, group, SHOP, { trust: ['--trust', ids[1].toUpperCase(), '--trust', 'f'.repeat(64)] })
    const b = startSync(store, group, STORE, { trust: ['--trust', ids[0]] })
    await Promise.all([connected(a), connected(b)])
    await documentBecomes(store, 'secret', (body) => body !== undefined)
  })

  it('refuses ids other than those given with --trust', async () => {
    const a = startSync(shop, group, SHOP, { trust: ['--trust', 'f'.repeat(64)] })
    const b = startSync(store, group, STORE, { trust: ['--insecure'] })
    const id = await idOf(b)
    const report = await refusal(a, id)
    expect(report.reason).to.equal(`its id ${id} is not one of the accepted ones`)
    expect(report.hint).to.equal(`To accept it: kithmesh peers allow ${shop} ${id}`)
    expect(await done(['ls', shop])).to.equal('secret\n')
    expect(await done(['ls', store])).to.equal('public\n')
  })

  it('does not start while known-peers.json is damaged, so that nobody is accepted, and says so', async () => {
    writeFileSync(join(shop, 'known-peers.json'), '{"name":')
    const { code, err } = await run(['sync', shop, '--group', group, '--interface', 'lo', '--first-use'])
    expect(code).to.equal(1)
    expect(err).to.match(/known-peers\.json is damaged[\s\S]*hint: /)
  })

  it('accepts nobody unknown when no option says who may come, and those that are allowed meanwhile', async () => {
    const a = startSync(shop, group, SHOP, { trust: [] })
    const b = startSync(store, group, STORE, { trust: [] })
    const [idA, idB] = [await idOf(a), await idOf(b)]
    await Promise.any([refusal(a, idB), refusal(b, idA)])
    await done(['peers', 'allow', shop, idB])
    await done(['peers', 'allow', store, idA])
    await becomeEqual({ shop, store })
  })

  it('goes on knowing those of a file that an older version left', async () => {
    const ids = [await idAlone(shop, SHOP), await idAlone(store, STORE)]
    writeFileSync(join(shop, 'known-peers.json'), JSON.stringify({ [STORE]: ids[1] }))
    writeFileSync(join(store, 'known-peers.json'), JSON.stringify({ [SHOP]: ids[0] }))
    startSync(shop, group, SHOP, { trust: [] })
    startSync(store, group, STORE, { trust: [] })
    await documentBecomes(store, 'secret', (body) => body !== undefined)
  })

  it('says once that everybody is accepted', async () => {
    const a = startSync(shop, group, SHOP, { trust: ['--insecure'] })
    const b = startSync(store, group, STORE, { trust: ['--insecure'] })
    await Promise.all([connected(a), connected(b)])
    for (const sync of [a, b]) {
      await sync.event(({ event }) => event === 'warning', 'the warning')
      const warnings = sync.events.filter(({ event }) => event === 'warning')
      expect(warnings.map(({ message }) => message)).to.deep.equal([
        '--insecure: every device of the group is accepted, and reads and writes all documents.'
      ])
    }
  })

  it('does not start with contradicting or malformed options', async () => {
    const words = ['sync', shop, '--group', group, '--interface', 'lo']
    for (const [more, code, message] of [
      [['--insecure', '--trust', 'f'.repeat(64)], 2, /--insecure accepts everybody/],
      [['--trust', 'abc'], 2, /A peer id has 64 hexadecimal digits: "abc" is none/],
      [['--ca', join(home, 'nope.pem')], 1, /nope\.pem cannot be read: ENOENT.*\[ERR_CLI_FILE\]/],
      [['--group', 'a,b'], 1, /forbidden character ","[\s\S]*\[ERR_PD_GROUP_ID\][\s\S]*hint: Use 1 to 63 bytes/]
    ]) {
      const outcome = await run([...words, ...more])
      expect(outcome.err).to.match(message)
      expect(outcome.code).to.equal(code)
    }
  })
})
