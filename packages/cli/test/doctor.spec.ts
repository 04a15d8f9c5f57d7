import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createIdentity, identityToPem } from '@kithmesh/identity'
import { expect } from 'chai'
import { examineBluetooth } from '../dist/doctor/bluetooth.js'
import { examineDirectory } from '../dist/doctor/directory.js'
import { examineClock, examineNode } from '../dist/doctor/machine.js'
import { examineInterfaces, judgeMulticast } from '../dist/doctor/network.js'
import { lastRuns, noteRun } from '../dist/last-run.js'
import { run, start, temporaryDirectories } from './support/command.ts'
import { info } from './support/interface-info.ts'

const temporary = temporaryDirectories()
const DAY_MS = 86_400_000

interface Finding {
  readonly check: string
  readonly state: string
  readonly message: string
  readonly hint?: string
  readonly code?: string
}

const states = (findings: readonly Finding[]): Record<string, string> =>
  Object.fromEntries(findings.map(({ check, state }) => [check, state]))
const found = (findings: readonly Finding[], check: string): Finding => {
  const finding = findings.find((each) => each.check === check)
  if (finding === undefined)
    throw new Error(`nothing was found about ${check}, only about ${findings.map((each) => each.check).join(', ')}`)
  return finding
}

describe('kithmesh doctor', () => {
  let home: string
  let dir: string

  beforeEach(() => {
    home = temporary.make()
    dir = join(home, 'shop')
  })
  afterEach(() => {
    temporary.clean()
  })

  describe('the command', () => {
    it('prints a line for each finding and ends with 0 when there is no problem', async () => {
      await run(['put', dir, 'x', '{}'])
      const { code, out, err } = await run(['doctor', dir])
      expect(err).to.equal('')
      expect(code).to.equal(0)
      expect(out).to.match(/^ok {7}node: \d+\.\d+\.\d+ on /)
      expect(out).to.match(/^ok {7}database: 1 document in 1 collection, rev-trees$/m)
      expect(out).to.match(/\n\d+ findings: 0 problems, \d+ warnings?\n$/)
    })

    it('ends with 1 and hints when there is a problem', async () => {
      await run(['put', dir, 'x', '{}'])
      writeFileSync(join(dir, 'known-peers.json'), '{"a"')
      const { code, out, err } = await run(['doctor', dir])
      expect(code).to.equal(1)
      expect(out).to.match(/^problem {2}known peers: .*is damaged.*\n {9}hint: ./m)
      expect(err).to.match(/^error A problem was found \[ERR_CLI_UNWELL\]\n/)
    })

    it('prints JSON lines, a summary last', async () => {
      await run(['put', dir, 'x', '{}'])
      const { code, lines } = await run(['doctor', dir, '--deep', '--json'])
      expect(code).to.equal(0)
      expect(states(lines.filter(({ event }) => event === 'finding'))).to.include({
        node: 'ok',
        clock: 'ok',
        database: 'ok',
        integrity: 'ok'
      })
      expect(lines.at(-1)).to.include({ event: 'finished', problem: 0 })
    })

    it('changes nothing in the directory and makes nothing', async () => {
      const missing = await run(['doctor', dir, '--json'])
      expect(found(missing.lines, 'directory').state).to.equal('warning')
      expect(missing.code).to.equal(0)
      expect(readdirSync(home)).to.deep.equal([])
      mkdirSync(dir)
      const empty = await run(['doctor', dir, '--json'])
      expect(found(empty.lines, 'database')).to.include({ state: 'warning' })
      expect(readdirSync(dir)).to.deep.equal([])
    })

    it('sends multicast only when asked, and hears itself on loopback', async () => {
      const silent = await run(['doctor', '--interface', '127.0.0.1', '--json'])
      expect(silent.lines.filter(({ check }) => check?.startsWith('multicast'))).to.deep.equal([])
      const { lines } = await run(['doctor', '--interface', '127.0.0.1', '--network', '--json'])
      const multicast = lines.filter(({ check }) => check?.startsWith('multicast'))
      expect(multicast).to.have.lengthOf(1)
      expect(multicast[0]).to.include({ state: 'ok' })
    })

    it('names the interfaces that there are when another one is asked for', async () => {
      const { code, lines } = await run(['doctor', '--interface', 'nope7', '--json'])
      expect(code).to.equal(1)
      expect(found(lines, 'network')).to.include({ state: 'problem', message: 'There is no interface nope7' })
      expect(found(lines, 'network').hint).to.match(/These are there: \w/)
    })
  })

  describe('the machine', () => {
    it('needs a Node that is new enough', () => {
      expect(examineNode('20.19.0', 'linux', 'x64').state).to.equal('ok')
      expect(examineNode('22.1.0', 'linux', 'x64').state).to.equal('ok')
      expect(examineNode('20.18.9', 'linux', 'x64').state).to.equal('problem')
      expect(examineNode('18.20.0', 'linux', 'x64').state).to.equal('problem')
    })

    it('needs a clock that is set', () => {
      expect(examineClock(Date.UTC(2026, 10, 21)).state).to.equal('ok')
      expect(examineClock(0).state).to.equal('problem')
      expect(examineClock(Date.UTC(2150, 0, 1)).state).to.equal('problem')
    })
  })

  describe('the network', () => {
    const lo = [info('127.0.0.1', true), info('::1', true)]

    it('says which interfaces are used', () => {
      const all = { lo, eth0: [info('10.0.0.5')] }
      const findings = examineInterfaces(all, undefined, () => true)
      expect(states(findings)).to.deep.equal({ 'network lo': 'ok', 'network eth0': 'ok' })
      expect(findings.map(({ message }) => message)).to.deep.equal([
        '127.0.0.1 ::1, not used for discovery',
        '10.0.0.5, used for discovery'
      ])
      expect(examineInterfaces(all, ['lo'], () => true)[0]?.message).to.equal('127.0.0.1 ::1, used for discovery')
    })

    it('warns where only this machine can be found, where there is no multicast, and of addresses without a router', () => {
      expect(states(examineInterfaces({ lo }, undefined, () => true))).to.deep.equal({ 'network lo': 'warning' })
      const all = {
        lo,
        wg0: [info('10.9.0.2')],
        eth0: [info('169.254.3.4'), info('fe80::1')],
        eth1: [info('169.254.3.5'), info('10.0.0.6')]
      }
      expect(states(examineInterfaces(all, undefined, (name) => name !== 'wg0'))).to.deep.equal({
        'network lo': 'ok',
        'network wg0': 'warning',
        'network eth0': 'warning',
        'network eth1': 'ok'
      })
    })

    it('has a problem without any interface', () => {
      expect(states(examineInterfaces({}, undefined))).to.deep.equal({ network: 'problem' })
    })

    it('tells multicast that is heard, not heard, and not sent apart', () => {
      const findings = judgeMulticast([
        { interface: 'a', heard: true, error: undefined },
        { interface: 'b', heard: false, error: undefined },
        { interface: 'c', heard: false, error: new Error('EADDRINUSE') }
      ])
      expect(findings.map(({ state }) => state)).to.deep.equal(['ok', 'problem', 'problem'])
      expect(findings[1]?.hint).to.match(/firewall/i)
      expect(findings[2]?.message).to.equal('EADDRINUSE')
    })
  })

  describe('Bluetooth', () => {
    const machine = {
      platform: 'linux',
      libraries: ['abandonware'],
      adapters: ['hci0'],
      blocked: [],
      mayUse: { own: true, shared: true }
    } as const

    it('is fine with an adapter, a library and the permission', () => {
      expect(examineBluetooth(machine, true)).to.deep.include({ state: 'ok', message: 'hci0 with abandonware' })
      expect(examineBluetooth({ ...machine, adapters: undefined, mayUse: undefined }, true).state).to.equal('ok')
    })

    const lacks = {
      'no library': { libraries: [] },
      'no adapter': { adapters: [] },
      'an adapter that is switched off': { blocked: ['hci0'] },
      'no permission': { mayUse: { own: false, shared: false } }
    }
    for (const [what, difference] of Object.entries(lacks))
      it(`is a problem with ${what}, for those only who want it`, () => {
        const wanted = examineBluetooth({ ...machine, ...difference }, true)
        expect(wanted.state).to.equal('problem')
        expect(wanted.hint).to.be.a('string').with.length.above(10)
        expect(examineBluetooth({ ...machine, ...difference }, false).state).to.equal('ok')
      })

    it('warns when the adapter can only be shared', () => {
      expect(examineBluetooth({ ...machine, mayUse: { own: false, shared: true } }, true).state).to.equal('warning')
    })
  })

  describe('the directory', () => {
    const now = Date.now()
    const examine = async (at = now): Promise<readonly Finding[]> => await examineDirectory(dir, { now: at })
    const give = async (options: { readonly notBefore?: Date; readonly validDays?: number }): Promise<void> => {
      mkdirSync(dir, { recursive: true })
      writeFileSync(join(dir, 'identity.pem'), identityToPem(await createIdentity({ commonName: 'shop', ...options })), { mode: 0o600 })
    }

    it('has a database that can be opened and read', async () => {
      await run(['put', dir, 'x', '{}', '--collection', 'a.b'])
      expect(found(await examine(), 'database').message).to.match(/^1 document in \d collections?, rev-trees$/)
      writeFileSync(join(dir, 'database.json'), 'nonsense')
      const damaged = found(await examine(), 'database')
      expect(damaged).to.include({ state: 'problem', code: 'ERR_DB_UNREADABLE' })
      expect(damaged.hint).to.be.a('string')
    })

    it('has an identity that is valid and nobody else can read', async () => {
      await give({ validDays: 365 })
      expect(found(await examine(), 'identity')).to.include({ state: 'ok' })
      expect(found(await examine(), 'identity').message).to.match(/^[0-9a-f]{64}, valid until \d{4}-/)
      expect(found(await examine(now + 350 * DAY_MS), 'identity').state).to.equal('warning')
      expect(found(await examine(now + 366 * DAY_MS), 'identity').state).to.equal('problem')
      expect(found(await examine(now - 3650 * DAY_MS), 'identity').state).to.equal('problem')
      writeFileSync(join(dir, 'identity.pem'), 'nonsense')
      expect(found(await examine(), 'identity')).to.include({ state: 'problem' })
      expect(found(await examine(), 'identity').code).to.match(/^ERR_IDENTITY_/)
    })

    it('warns when others can read the private key', async function () {
      if (process.platform === 'win32') this.skip()
      await give({})
      expect((await examine()).map(({ check }) => check)).to.not.include('identity file')
      chmodSync(join(dir, 'identity.pem'), 0o644)
      expect(found(await examine(), 'identity file')).to.include({ state: 'warning' })
    })

    it('has known peers that can be read', async () => {
      mkdirSync(dir)
      expect(found(await examine(), 'known peers')).to.include({ state: 'ok', message: 'nobody yet' })
      writeFileSync(join(dir, 'known-peers.json'), JSON.stringify({ shop: 'a'.repeat(64), store: 'b'.repeat(64) }))
      expect(found(await examine(), 'known peers')).to.include({ state: 'ok', message: '2 devices: 2 trusted' })
      const peers = ['trusted', 'blocked', 'trusted'].map((level, index) => ({ peerId: `${index}`.repeat(64), level }))
      writeFileSync(join(dir, 'known-peers.json'), JSON.stringify({ version: 1, peers }))
      expect(found(await examine(), 'known peers').message).to.equal('3 devices: 2 trusted, 1 blocked')
      for (const damaged of ['', '[1]', '7', '{', '{"shop":"nobody"}']) {
        writeFileSync(join(dir, 'known-peers.json'), damaged)
        expect(found(await examine(), 'known peers'), damaged).to.include({ state: 'problem', code: 'ERR_IDENTITY_KNOWN_PEERS' })
      }
    })

    it('tells how sync and serve last ran, and warns when they let everybody in', async () => {
      mkdirSync(dir)
      expect((await examine()).map(({ check }) => check)).to.not.include.members(['insecure sync', 'insecure serve', 'trust of sync'])
      const at = '2026-11-21T12:00:00.000Z'
      await noteRun(dir, 'sync', { at, group: 'g', accepts: 'everybody' })
      await noteRun(dir, 'serve', { at, accepts: 'everybody' })
      expect(states(await examine())).to.include({ 'insecure sync': 'warning', 'insecure serve': 'warning' })
      expect(found(await examine(), 'insecure sync').message).to.include('--insecure')
      await noteRun(dir, 'sync', { at, group: 'g', accepts: 'first-use' })
      await noteRun(dir, 'serve', { at, accepts: 'named' })
      expect(states(await examine())).to.include({ 'trust of sync': 'ok' })
      expect((await examine()).map(({ check }) => check)).to.not.include.members(['insecure sync', 'insecure serve'])
    })
  })

  describe('what commands note of their last run', () => {
    it('is whole and for the owner only, and what is damaged counts as nothing', async () => {
      mkdirSync(dir)
      expect(await lastRuns(dir)).to.deep.equal({})
      const at = '2026-11-21T12:00:00.000Z'
      await noteRun(dir, 'sync', { at, group: 'g', accepts: 'named' })
      await noteRun(dir, 'serve', { at, accepts: 'everybody' })
      expect(await lastRuns(dir)).to.deep.equal({ sync: { at, group: 'g', accepts: 'named' }, serve: { at, accepts: 'everybody' } })
      expect(readdirSync(dir)).to.deep.equal(['last-run.json'])
      if (process.platform !== 'win32') expect(statSync(join(dir, 'last-run.json')).mode & 0o777).to.equal(0o600)
      for (const damaged of [
        '',
        'null',
        '{"sync":{"at":"never","accepts":"named"}}',
        '{"sync":{"at":"2026-11-21","accepts":"nope"},"x":1}'
      ]) {
        writeFileSync(join(dir, 'last-run.json'), damaged)
        expect(await lastRuns(dir), damaged).to.deep.equal({})
      }
    })

    it('does not matter where it cannot be written', async () => {
      await noteRun(join(home, 'nowhere'), 'sync', { at: '2026-11-21T12:00:00.000Z', accepts: 'named' })
      expect(readdirSync(home)).to.deep.equal([])
    })

    it('is written by serve and sync', async () => {
      const serving = start(['serve', dir, '--port', '0', '--host', '127.0.0.1', '--tls', 'off', '--json'])
      await serving.stdout.until((text) => text.includes('listening'), 'the port')
      expect(await serving.stop()).to.equal(0)
      expect((await lastRuns(dir)).serve).to.include({ accepts: 'everybody' })
      const syncing = start(['sync', dir, '--group', `doctor-${process.pid}`, '--interface', 'lo', '--insecure', '--json'])
      await syncing.stdout.until((text) => text.includes('started'), 'the start')
      expect(await syncing.stop()).to.equal(0)
      expect((await lastRuns(dir)).sync).to.include({ accepts: 'everybody', group: `doctor-${process.pid}` })
      expect(JSON.parse(readFileSync(join(dir, 'last-run.json'), 'utf8'))).to.have.all.keys('serve', 'sync')
    })
  })
})
