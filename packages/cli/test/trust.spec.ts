import { execFile } from 'node:child_process'
import { PassThrough } from 'node:stream'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { type Clock, KnownPeers, silentLogger } from '@kithmesh/core'
import {
  type CertificateVerdict,
  type PeerCertificate,
  RevocationList,
  createCertificateAuthority,
  createRevocation,
  insecureAcceptAnyone,
  openKnownPeers,
  parseRevocation,
  pinnedPeers,
  trustOnFirstUse,
  verifyRevocation
} from '@kithmesh/identity'
import { eventually, rejection } from '@kithmesh/testkit'
import { whoWeAre } from '../dist/explain/who-we-are.js'
import { printable } from '../dist/printable.js'
import { type Refusal, reportRefusals } from '../dist/refusals.js'
import { watchKnownPeers } from '../dist/trust/known-peers-watch.js'
import { pairingPrompt } from '../dist/trust/pairing-prompt.js'
import { openTrust } from '../dist/trust/sync-trust.js'
import { type TrustOptions, acceptance, chooseAuthenticator, groupKeyDecides, knownPeersPath } from '../dist/trust/trust-options.js'
import { Sink, run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()
const idOf = (letter: string): string => letter.repeat(64)
const peer = (letter: string, commonName = 'shop'): PeerCertificate => ({
  peerId: idOf(letter),
  commonName,
  certificateDer: Buffer.alloc(0),
  chain: [],
  role: 'client'
})

afterEach(() => {
  temporary.clean()
})

describe('the options of trust', () => {
  const choose = async (options: TrustOptions, known = new KnownPeers()) =>
    await chooseAuthenticator(options, { known, revocations: new RevocationList({ authorities: [] }), prompt: undefined })
  const verdict = async (options: TrustOptions, letter: string, known?: KnownPeers): Promise<unknown> => {
    const found = await (await choose(options, known)).check(peer(letter))
    return typeof found === 'object' ? found.prove.map(({ name }) => name) : found
  }
  const file = (text: string): string => {
    const path = join(temporary.make(), 'secret')
    writeFileSync(path, text)
    return path
  }

  it('come to what lets in most', () => {
    const words: readonly (readonly [TrustOptions, string])[] = [
      [{}, 'known'],
      [{ trust: [idOf('a')] }, 'named'],
      [{ ca: ['x'], trust: [idOf('a')] }, 'authority'],
      [{ ca: ['x'], pair: true }, 'proof'],
      [{ passwordFile: 'x' }, 'proof'],
      [{ groupKeyFile: 'x' }, 'proof'],
      [{ groupKeyFile: 'x', trust: [idOf('a')] }, 'named'],
      [{ firstUse: true, pair: true }, 'first-use'],
      [{ insecure: true, groupKeyFile: 'x' }, 'everybody']
    ]
    for (const [options, word] of words) expect(acceptance(options), JSON.stringify(options)).to.equal(word)
    for (const more of [{ firstUse: true }, { trust: [] }, { ca: [] }, { pair: true }, { passwordFile: 'x' }] as const)
      expect(() => acceptance({ insecure: true, ...more })).to.throw('--insecure accepts everybody')
    expect(groupKeyDecides({ groupKeyFile: 'x' })).to.equal(true)
    expect(groupKeyDecides({ groupKeyFile: 'x', insecure: true })).to.equal(false)
  })

  it('accept nobody unknown when there are none', async () => {
    const known = new KnownPeers()
    await known.remember({ peerId: idOf('a'), name: '', level: 'trusted', how: 'by hand' })
    expect([await verdict({}, 'a', known), await verdict({}, 'b', known)]).to.deep.equal([true, false])
  })

  it('accept whom one of them accepts, but nobody who is blocked', async () => {
    const known = new KnownPeers()
    await known.remember({ peerId: idOf('a'), name: '', level: 'trusted', how: 'by hand' })
    await known.remember({ peerId: idOf('b'), name: '', level: 'blocked', how: 'by hand' })
    const passwordFile = file('geheim\n')
    const groupKeyFile = file('ein langer schlüssel\n')
    expect(await verdict({ passwordFile }, 'c', known)).to.deep.equal(['password/1'])
    expect(await verdict({ passwordFile }, 'a', known)).to.equal(true)
    expect(await verdict({ groupKeyFile }, 'c', known)).to.deep.equal(['group-key/1'])
    expect(await verdict({ groupKeyFile, trust: [idOf('c')] }, 'd', known)).to.equal(false)
    expect(await verdict({ trust: [idOf('C')] }, 'c', known)).to.equal(true)
    expect(await verdict({ trust: [idOf('c')] }, 'a', known)).to.equal(false)
    expect(await verdict({ trust: [idOf('c')], passwordFile }, 'd', known)).to.deep.equal(['password/1'])
    expect(await verdict({ firstUse: true }, 'd', known)).to.equal(true)
    expect(known.get(idOf('d'))).to.include({ level: 'trusted', how: 'trust on first use' })
    for (const options of [{ insecure: true }, { firstUse: true }, { passwordFile }, { trust: [idOf('b')] }, {}] as TrustOptions[])
      expect((await rejection(verdict(options, 'b', known))).message, JSON.stringify(options)).to.contain('it is blocked')
    expect(await verdict({ insecure: true }, 'e', known)).to.equal(true)
  })

  it('believe revocations of the authorities that are named, whether these say who is accepted or not', async () => {
    const [certifying, other] = await Promise.all([
      createCertificateAuthority({ commonName: 'certifying' }),
      createCertificateAuthority({ commonName: 'other' })
    ])
    const [ca, authority] = [[file(certifying.certificatePem)], [file(other.certificatePem)]]
    const revokedBy = async (options: TrustOptions): Promise<readonly string[]> => {
      const io = { stdin: new PassThrough(), stdout: new Sink(), stderr: new Sink() } as never
      const trust = await openTrust(temporary.make(), options, { io, logger: silentLogger })
      await trust.revocations.add([createRevocation(certifying, idOf('a')), createRevocation(other, idOf('b'))])
      await trust.stop()
      return ['a', 'b'].filter((letter) => trust.revocations.get(idOf(letter)) !== undefined)
    }
    expect(await revokedBy({})).to.deep.equal([])
    expect(await revokedBy({ ca })).to.deep.equal(['a'])
    expect(await revokedBy({ authority })).to.deep.equal(['b'])
    expect(await revokedBy({ ca, authority })).to.deep.equal(['a', 'b'])
  })

  it('are refused when they cannot be understood', async () => {
    const wrong: readonly (readonly [TrustOptions, string])[] = [
      [{ trust: ['abc'] }, 'A peer id has 64 hexadecimal digits: "abc" is none'],
      [{ passwordFile: file(' \n') }, 'is empty'],
      [{ groupKeyFile: file('kurz') }, 'is shorter than 12 characters'],
      [{ passwordFile: join(temporary.make(), 'nope') }, 'ENOENT'],
      [{ ca: [file('no certificate')] }, 'Cannot read a certificate']
    ]
    for (const [options, message] of wrong) expect((await rejection(choose(options))).message).to.contain(message)
  })
})

describe('the question of pairing', () => {
  function prompt(json: boolean) {
    const [stdin, stdout, stderr] = [new PassThrough(), new Sink(), new Sink()]
    const asked = pairingPrompt(
      { stdin, stdout, stderr, interactive: true, colours: false, signal: new AbortController().signal, environment: {} },
      json
    )
    const withdrawal = new AbortController()
    const ask = (letter: string, known = false): Promise<boolean> =>
      Promise.resolve(asked.confirm('012345', { peerId: idOf(letter), name: 'sh\u001bop', known }, { signal: withdrawal.signal }))
    return { stdin, stdout, stderr, ask, withdrawal, close: asked.close }
  }

  it('is put to a person, who answers y or something else', async () => {
    const { stdin, stderr, ask, close } = prompt(false)
    for (const [answer, equal] of [
      ['y', true],
      ['YES', true],
      ['n', false],
      ['maybe', false]
    ] as const) {
      const asked = ask('a')
      stdin.write(`\n${answer}\n`)
      expect(await asked, answer).to.equal(equal)
    }
    expect(stderr.text).to.contain('Pair with "sh?op" (aaaaaaaa)?').and.to.contain('012 345')
    const again = ask('a', true)
    stdin.write('y\n')
    await again
    expect(stderr.text).to.contain('knew this one before')
    close()
  })

  it('is an event for a program, which names the device in its answer', async () => {
    const { stdin, stdout, ask, close } = prompt(true)
    const asked = ask('a')
    expect(JSON.parse(stdout.text)).to.deep.equal({ event: 'pairing', device: idOf('a'), name: 'sh?op', code: '012345', known: false })
    stdin.write(`yes\ny ${idOf('a')}\nyes ${idOf('b')}\nyes ${idOf('a')}\n`)
    expect(await asked).to.equal(true)
    const refused = ask('b')
    stdin.write(`no ${idOf('b')}\n`)
    expect(await refused).to.equal(false)
    close()
  })

  it('does not take an answer that came before it was asked', async () => {
    const { stdin, ask, close } = prompt(false)
    stdin.write('y\n')
    await new Promise((resolve) => setImmediate(resolve))
    let settled = false
    const asked = ask('a').then((equal) => {
      settled = true
      return equal
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(settled).to.equal(false)
    stdin.write('n\n')
    expect(await asked).to.equal(false)
    close()
  })

  it('is answered with no when the input ends, or when it is withdrawn, and says so', async () => {
    const one = prompt(true)
    const asked = one.ask('a')
    one.stdin.end()
    expect(await asked).to.equal(false)
    expect(await one.ask('a')).to.equal(false)
    expect(one.stdout.text.match(/"pairing-over"/g)).to.have.length(2)
    const other = prompt(true)
    const pending = other.ask('a')
    other.withdrawal.abort(new Error('the other device refused'))
    expect(await pending).to.equal(false)
    expect(other.stdout.text).to.contain('"reason":"not paired: the other device refused"')
    other.close()
  })
})

describe('a file of known peers in use', () => {
  it('is watched: what others change in it counts', async () => {
    const path = join(temporary.make(), 'known-peers.json')
    const known = new KnownPeers({ store: openKnownPeers(path) })
    await known.start()
    await known.remember({ peerId: idOf('a'), name: 'shop', level: 'trusted', how: 'by hand' })
    const warnings: string[] = []
    const trusted: string[] = []
    let tick: (() => void) | undefined
    const clock = {
      every: (_ms: number, each: () => void) => {
        tick = each
        return () => {
          tick = undefined
        }
      }
    } as unknown as Clock
    const end = watchKnownPeers(path, {
      known,
      revocations: new RevocationList({ authorities: [] }),
      logger: silentLogger,
      clock,
      onTrusted: (peerId) => {
        trusted.push(peerId)
      },
      warn: (message) => {
        warnings.push(message)
      }
    })
    const becomes = async (what: string, passes: () => boolean): Promise<void> => {
      await eventually(what, () => {
        tick?.()
        return passes()
      })
    }
    const other = openKnownPeers(path)
    const [entry] = await other.load()
    await other.save([
      { ...entry!, level: 'blocked' },
      { ...entry!, peerId: idOf('b') }
    ])
    await becomes('both changes to count', () => known.get(idOf('a'))?.level === 'blocked' && known.get(idOf('b'))?.level === 'trusted')
    expect(trusted).to.deep.equal([idOf('b')])
    // What was taken over is being written: that must not undo the damage.
    await known.reload()
    writeFileSync(path, '{"version":')
    await becomes('the damage to be told', () => warnings.length > 0)
    expect(warnings[0]).to.contain('is damaged')
    writeFileSync(path, '{"version":1,"peers":[')
    let looks = 0
    await becomes('it to be looked at again', () => ++looks > 20)
    expect(known.get(idOf('b'))?.level).to.equal('trusted')
    writeFileSync(path, '{}')
    await becomes('nobody to be known', () => known.list.current.length === 0)
    expect(warnings).to.have.length(1)
    end()
    expect(tick).to.equal(undefined)
    await known.stop()
  })
})

describe('a file of known peers that cannot be opened', () => {
  /** Blocks a device in the file while no file descriptor is left, has the file looked at, gives descriptors back, and has it looked at again. */
  const script = `
    import { closeSync, ftruncateSync, openSync, writeSync } from 'node:fs'
    const [{ KnownPeers, silentLogger }, { RevocationList, openKnownPeers }, { watchKnownPeers }] = await Promise.all(MODULES.map((name) => import(name)))
    const path = process.argv[1]
    const peerId = 'a'.repeat(64)
    const entry = { peerId, name: 'till', level: 'trusted', how: 'by hand', since: 1, lastSeen: 1 }
    const text = (level) => JSON.stringify({ version: 1, peers: [{ ...entry, level }] })
    const file = openSync(path, 'w+')
    writeSync(file, text('trusted'), 0)
    const known = new KnownPeers({ store: openKnownPeers(path) })
    await known.start()
    const warnings = []
    let tick
    const end = watchKnownPeers(path, {
      known,
      revocations: new RevocationList({ authorities: [] }),
      logger: silentLogger,
      clock: { every: (_ms, run) => ((tick = run), () => {}) },
      onTrusted: () => {},
      warn: (message) => warnings.push(message)
    })
    const look = async (until) => {
      for (let turn = 0; turn < 1000 && !until(); turn++) {
        tick()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }
    const taken = []
    for (;;) try { taken.push(openSync('/dev/null')) } catch { break }
    ftruncateSync(file)
    writeSync(file, text('blocked'), 0)
    let looks = 0
    await look(() => warnings.length > 0 && ++looks > 20)
    const before = known.get(peerId).level
    for (const descriptor of taken) closeSync(descriptor)
    await look(() => known.get(peerId).level === 'blocked')
    end()
    console.log(JSON.stringify({ before, after: known.get(peerId).level, warnings: warnings.length }))
  `

  it('counts as soon as it can', async function () {
    if (process.platform === 'win32') this.skip()
    const modules = ['@kithmesh/core', '@kithmesh/identity', '../dist/trust/known-peers-watch.js'].map((name) =>
      name.startsWith('.') ? new URL(name, import.meta.url).href : import.meta.resolve(name)
    )
    const words = [process.execPath, '--input-type=module', '--eval', script.replace('MODULES', JSON.stringify(modules))]
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      'ulimit -n 512 && exec "$0" "$@"',
      ...words,
      join(temporary.make(), 'known-peers.json')
    ])
    expect(JSON.parse(stdout)).to.deep.equal({ before: 'trusted', after: 'blocked', warnings: 1 })
  })
})

describe('kithmesh peers', () => {
  it('allows, blocks, lists and forgets devices of a directory', async () => {
    const directory = temporary.make()
    expect((await run(['peers', 'allow', directory, idOf('a'), idOf('B'), '--name', 'till'])).code).to.equal(0)
    expect((await run(['peers', 'block', directory, idOf('b'), '--json'])).lines).to.deep.equal([
      { peerId: idOf('b'), level: 'blocked', name: 'till' }
    ])
    const { lines } = await run(['peers', 'list', directory, '--json'])
    expect(lines.map(({ peerId, level, name, how }) => [peerId, level, name, how])).to.deep.equal([
      [idOf('a'), 'trusted', 'till', 'by hand'],
      [idOf('b'), 'blocked', 'till', 'by hand']
    ])
    expect((await run(['peers', 'list', directory])).out).to.match(/^trusted\ta{64}\ttill\tby hand\t\d{4}-.*\nblocked\tb{64}/)
    expect((await run(['peers', 'forget', directory, idOf('a'), '--json'])).lines).to.deep.equal([{ peerId: idOf('a'), forgotten: true }])
    expect((await run(['peers', 'list', directory, '--json'])).lines).to.have.length(1)
    const unknown = await run(['peers', 'forget', directory, idOf('c')])
    expect([unknown.code, unknown.err]).to.satisfy(([code, err]: [number, string]) => code === 1 && err.includes('is not known'))
    expect((await run(['peers', 'allow', directory, 'abc'])).code).to.equal(2)
    expect((await run(['peers'])).code).to.equal(2)
    writeFileSync(knownPeersPath(directory), '[')
    const damaged = await run(['peers', 'allow', directory, idOf('a')])
    expect(damaged.err).to.contain('is damaged').and.to.contain('ERR_KNOWN_PEERS_STORE')
  })
})

describe('kithmesh identity', () => {
  it('makes authorities, certifies devices and revokes them', async () => {
    const home = temporary.make()
    const [office, till] = [join(home, 'office'), join(home, 'till')]
    const [authority] = (await run(['identity', 'authority', office, '--name', 'Office', '--json'])).lines
    expect(authority).to.include({ name: 'Office' })
    if (process.platform !== 'win32') expect(statSync(join(office, 'authority.pem')).mode & 0o777).to.equal(0o600)
    const certificate = readFileSync(join(office, 'authority.crt'), 'utf8')
    expect(certificate).not.to.contain('PRIVATE')
    const [issued] = (await run(['identity', 'issue', office, till, '--name', 'Till 2', '--json'])).lines
    expect((await run(['identity', 'show', till, '--json'])).lines).to.deep.equal([issued])
    expect((await run(['identity', 'show', till])).out).to.contain(`${issued.peerId}\tTill 2\tvalid until`)

    const revoked = await run(['identity', 'revoke', office, issued.peerId, '--reason', 'stolen', '--in', till])
    const revocation = parseRevocation(revoked.lines[0])!
    expect(revocation).to.include({ peerId: issued.peerId, authority: authority.peerId, reason: 'stolen' })
    expect(verifyRevocation(revocation, [certificate])).to.equal(true)
    expect((await run(['peers', 'list', till, '--json'])).lines[0]).to.include({
      peerId: issued.peerId,
      level: 'revoked',
      reason: 'stolen'
    })
    // A revocation counts for those who name its authority, and for nobody else.
    const shown = async (options: TrustOptions): Promise<unknown> => {
      const { authenticator } = await whoWeAre({ ...options, dir: till, trust: [issued.peerId] })
      try {
        return await authenticator?.check({ peerId: issued.peerId, chain: [] } as never)
      } catch (error) {
        return (error as Error).message
      }
    }
    expect(await shown({})).to.equal(true)
    expect(await shown({ authority: [join(office, 'authority.crt')] })).to.match(/revoked at .*stolen/)

    await run(['identity', 'revoke', office, issued.peerId, '--in', till])
    expect((await run(['peers', 'list', till, '--json'])).lines).to.have.length(1)
  })

  it('overwrites nothing', async () => {
    const home = temporary.make()
    await run(['identity', 'authority', home])
    const before = readFileSync(join(home, 'authority.pem'), 'utf8')
    const again = await run(['identity', 'authority', home])
    expect(again.code).to.equal(1)
    expect(again.err).to.contain('ERR_CLI_FILE')
    expect(readFileSync(join(home, 'authority.pem'), 'utf8')).to.equal(before)
    await run(['identity', 'issue', home, home, '--name', 'x'])
    expect((await run(['identity', 'issue', home, home, '--name', 'y'])).code).to.equal(1)
    expect((await run(['identity', 'show', join(home, 'nope')])).code).to.equal(1)
    expect(existsSync(join(home, 'nope'))).to.equal(false)
    expect((await run(['identity', 'revoke', home, 'abc'])).code).to.equal(2)
    expect((await run(['identity', 'revoke', home, idOf('a'), '--reason', 'x'.repeat(201)])).code).to.equal(2)
  })
})

describe('refusals', () => {
  const collect = (
    inner: Parameters<typeof reportRefusals>[0]
  ): { check: (peer: PeerCertificate) => Promise<CertificateVerdict>; told: Refusal[] } => {
    const refusals = reportRefusals(inner, (id) => `accept ${id}`)
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
    expect(reportRefusals(authenticator, String).authenticator).to.include({ name: 'x', authorities: authenticator.authorities })
  })

  it('are told once for each device', async () => {
    const { check, told } = collect(pinnedPeers(['f'.repeat(64)]))
    for (const letter of ['a', 'a', 'b', 'a', 'f']) expect(await check(peer(letter))).to.equal(letter === 'f')
    expect(told.map(({ deviceId }) => deviceId[0])).to.deep.equal(['a', 'b'])
    expect(told[0]).to.deep.include({ name: 'shop', advice: `accept ${idOf('a')}` })
  })

  it('say who was known before', async () => {
    const known = new Map([['shop', 'b'.repeat(64)]])
    const { check, told } = collect(trustOnFirstUse({ get: (name) => known.get(name), set: () => {} }))
    await rejection(check(peer('a')))
    expect(told[0]?.reason).to.equal(`"shop" was known as ${'b'.repeat(64)}`)
  })

  it('carry nothing that a terminal obeys', async () => {
    const { check, told } = collect(pinnedPeers([]))
    await check(peer('a', '\u001b[2Jevil\u202e\r\n'))
    expect(told[0]?.name).to.equal('?[2Jevil???')
    expect(printable('x'.repeat(1000))).to.have.lengthOf(300)
    expect(printable('日本 ü 🦉')).to.equal('日本 ü 🦉')
  })
})
