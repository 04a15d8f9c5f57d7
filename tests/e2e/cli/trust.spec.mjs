// Whom `kithmesh sync` accepts, and how it says whom it does not.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { cleanUp, documentBecomes, done, newGroup, run, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'
import { connected, startSync } from './support.mjs'

const idOf = async (sync) => (await sync.event(({ event }) => event === 'started', 'its id')).peerId

const [SHOP, STORE] = ['shop', 'store'].map(uniqueName)

describe('the trust of kithmesh sync', () => {
  let group
  let home
  let shop
  let store

  beforeEach(async () => {
    group = newGroup()
    home = temporaryDirectory()
    shop = join(home, 'shop')
    store = join(home, 'store')
    await done(['put', shop, 'secret', '{}'])
    await done(['put', store, 'public', '{}'])
  })
  afterEach(cleanUp)

  /** Resolves with the first report that `guard` refused `id`, whoever of the two dialled. */
  const refusal = (guard, id) => guard.event(({ event, device }) => event === 'refused' && device === id, 'the refusal')

  it('remembers who came first under a name, and refuses another one later with a clear message', async () => {
    const a = startSync(shop, group, SHOP)
    let b = startSync(store, group, STORE)
    await Promise.all([connected(a), connected(b)])
    await documentBecomes(shop, 'public', (body) => body !== undefined)
    const first = await idOf(b)
    expect(JSON.parse(readFileSync(join(shop, 'known-peers.json'), 'utf8'))).to.deep.equal({ [STORE]: first })
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
      hint: `If this is right, delete "${STORE}" from known-peers.json in the database directory.`
    })
    expect(await done(['ls', shop])).to.equal('later\npublic\nsecret\n')
    expect(await done(['ls', store])).to.equal('from the other one\npublic\nsecret\n')
    // The advice helps, without a restart of the one that refused.
    writeFileSync(join(shop, 'known-peers.json'), '{}')
    await b.stop()
    b = startSync(store, group, STORE)
    await documentBecomes(store, 'later', (body) => body !== undefined)
    await documentBecomes(shop, 'from the other one', (body) => body !== undefined)
  })

  it('accepts the ids given with --trust', async () => {
    const ids = []
    for (const [directory, name] of [
      [shop, SHOP],
      [store, STORE]
    ]) {
      const sync = startSync(directory, newGroup(), name)
      ids.push(await idOf(sync))
      await sync.stop()
    }
    const a = startSync(shop, group, SHOP, { args: ['--trust', ids[1].toUpperCase(), '--trust', 'f'.repeat(64)] })
    const b = startSync(store, group, STORE, { args: ['--trust', ids[0]] })
    await Promise.all([connected(a), connected(b)])
    await documentBecomes(store, 'secret', (body) => body !== undefined)
  })

  it('refuses ids other than those given with --trust', async () => {
    const a = startSync(shop, group, SHOP, { args: ['--trust', 'f'.repeat(64)] })
    const b = startSync(store, group, STORE, { args: ['--insecure'] })
    const id = await idOf(b)
    const report = await refusal(a, id)
    expect(report.reason).to.equal(`its id ${id} is not one of the accepted ones`)
    expect(report.hint).to.equal(`To accept it: --trust ${id}`)
    expect(await done(['ls', shop])).to.equal('secret\n')
    expect(await done(['ls', store])).to.equal('public\n')
  })

  it('refuses everybody while known-peers.json is damaged, and says so', async () => {
    writeFileSync(join(shop, 'known-peers.json'), '{"name":')
    const a = startSync(shop, group, SHOP)
    const b = startSync(store, group, STORE)
    expect((await refusal(a, await idOf(b))).reason).to.match(/known-peers\.json is damaged/)
    expect(await done(['ls', store])).to.equal('public\n')
  })

  it('does not start with contradicting or malformed options', async () => {
    const words = ['sync', shop, '--group', group, '--interface', 'lo']
    for (const [more, code, message] of [
      [['--insecure', '--trust', 'f'.repeat(64)], 2, /Only one of --trust, --ca and --insecure/],
      [['--trust', 'abc'], 2, /--trust takes a peer id of 64 hexadecimal digits, not "abc"/],
      [['--ca', join(home, 'nope.pem')], 1, /nope\.pem cannot be read: ENOENT.*\[ERR_CLI_FILE\]/],
      [['--group', 'a,b'], 1, /forbidden character ","[\s\S]*\[ERR_PD_GROUP_ID\][\s\S]*hint: Use 1 to 63 bytes/]
    ]) {
      const outcome = await run([...words, ...more])
      expect(outcome.err).to.match(message)
      expect(outcome.code).to.equal(code)
    }
  })
})
