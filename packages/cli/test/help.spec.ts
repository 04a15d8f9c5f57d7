import { expect } from 'chai'
import { run } from './support/command.ts'

/** Those with a name of their own below another one. */
const subcommands = [
  'peers list',
  'peers allow',
  'peers block',
  'peers forget',
  'identity show',
  'identity authority',
  'identity issue',
  'identity revoke'
]

const commands = ['sync', 'peers', 'serve', 'replicate', 'put', 'get', 'ls', 'rm', 'import', 'export', 'doctor', 'explain', 'air', 'relay']

describe('the command line', () => {
  it('lists every command in its help, with examples', async () => {
    const { code, out, err } = await run(['--help'])
    expect(code).to.equal(0)
    expect(err).to.equal('')
    for (const command of [...commands, 'certify', 'identity']) expect(out).to.match(new RegExp(`^  ${command} `, 'm'))
    expect(out).to.match(/Examples:\n {2}kithmesh sync/)
  })

  for (const command of [...commands, 'certify', ...subcommands]) {
    it(`shows examples and --json in the help of ${command}`, async () => {
      const { code, out, err } = await run([...command.split(' '), '--help'])
      expect(code).to.equal(0)
      expect(err).to.equal('')
      expect(out).to.match(new RegExp(`^Usage: kithmesh ${command} `))
      expect(out).to.match(new RegExp(`Examples:\n  (diff <\\()?kithmesh ${command} `))
      expect(out).to.include('--json')
    })
  }

  it('says the same of the options that several commands have, one below the other in the same order', async () => {
    const shared = [
      ['broker', 'broker-ca', 'group-key-file', 'stun', 'turn', 'turn-user', 'turn-user-file', 'ntp'],
      ['pair', 'password-file', 'trust', 'ca', 'authority', 'first-use', 'insecure'],
      ['ble', 'ble-adapter', 'ble-library', 'ble-air'],
      ['versioning', 'upgrade'],
      ['verbose']
    ]
    const groups = new Map<string, Set<string>>()
    for (const command of commands) {
      const { out } = await run([command, '--help'])
      const options = out.slice(out.indexOf('Options:'), out.indexOf('Examples:')).split(/\n(?= {2}-)/)
      const described = new Map(
        options.flatMap((text) => [
          ...(/^ +--([\w-]+)/.exec(text)?.[1] === undefined ? [] : [[/--([\w-]+)/.exec(text)![1]!, text.replace(/\s+/g, ' ')] as const])
        ])
      )
      for (const group of shared) {
        const here = [...described].filter(([name]) => group.includes(name))
        if (here.length < 2 && group.length > 1) continue
        // Replicate and serve speak to one server, and doctor only asks whether there is Bluetooth.
        if (group[0] === 'pair' && !described.has('pair')) continue
        if (here.length === 0) continue
        expect(
          here.map(([name]) => name),
          command
        ).to.deep.equal(group.slice(0, here.length))
        for (const [name, text] of here) groups.set(name, (groups.get(name) ?? new Set()).add(text))
      }
    }
    for (const [name, texts] of groups) expect([...texts], name).to.have.lengthOf(1)
  })

  it('prints its version', async () => {
    expect(await run(['--version'])).to.include({ code: 0, out: '1.2.3\n', err: '' })
  })

  it('ends with 2 and the help on stderr when no command is given', async () => {
    const { code, out, err } = await run([])
    expect(code).to.equal(2)
    expect(out).to.equal('')
    expect(err).to.include('Usage: kithmesh')
  })

  const misuses: [string[], RegExp][] = [
    [['fetch'], /unknown command 'fetch'/],
    [['peers', 'trust'], /too many arguments|unknown command/],
    [['identity', 'show'], /missing required argument 'dir'/],
    [['doctor', '--forwarded-port', '4984'], /unknown option '--forwarded-port'/],
    [['putt', 'x'], /unknown command 'putt'[\s\S]*put/],
    [['get', 'dir'], /missing required argument 'id'/],
    [['get', 'dir', 'id', '--nope'], /unknown option '--nope'/],
    [['get', 'dir', 'id', 'more'], /too many arguments/],
    [['rm', 'dir'], /missing required argument 'ids'/],
    [['sync', 'dir'], /required option '--group <id>' not specified/],
    [['serve', 'dir'], /required option '--port <port>' not specified/],
    [['serve', 'dir', '--port'], /argument missing/],
    [['serve', 'dir', '--port', '65536'], /65536 is not a port/],
    [['serve', 'dir', '--port', '1e3'], /1e3 is not a port/],
    [['serve', 'dir', '--port', ' '], /is not a port/],
    [['serve', 'dir', '--port', '0', '--user', 'anna'], /user:password/],
    [['serve', 'dir', '--port', '0', '--collection', 'a.b.c'], /a\.b\.c is not a collection/],
    [['ls', 'dir', '--limit', '0'], /0 is not a whole number of at least 1/],
    [['peers', '--group', 'g', '--seconds', '1.5'], /1\.5 is not a whole number/],
    [['air', '--loss', '2'], /2 is not a share from 0 to 1/],
    [['air', '--range', '0'], /0 is not a number above 0/],
    [['air', '--address', 'c0ffee'], /c0ffee is not an address/],
    [['replicate', 'dir', 'ws://x/db', '--header', 'nope'], /--header takes name:value/],
    [['replicate', 'dir', 'ws://x/db', '--user', ':p'], /user:password/],
    [['replicate', 'dir', 'http://x/db'], /is not the URL of a database/],
    [['replicate', 'dir', 'ws://x'], /is not the URL of a database/],
    [['replicate', 'dir', 'nonsense'], /is not the URL of a database/],
    [['replicate', 'dir', 'ws://x/db', '--self-signed'], /ws: has none/],
    [['replicate', 'dir', 'wss://x/db', '--self-signed', '--insecure'], /Only one of/]
  ]
  for (const [words, message] of misuses) {
    it(`ends with 2 for: ${words.join(' ')}`, async () => {
      const { code, out, err } = await run(words)
      expect(err).to.match(message)
      expect(err).to.match(/--help/)
      expect(out).to.equal('')
      expect(code).to.equal(2)
    })
  }

  it('reports errors as one JSON line on stderr with --json', async () => {
    const { code, err } = await run(['get', '/nowhere/at/all', 'id', '--json'])
    expect(code).to.equal(1)
    const report = JSON.parse(err) as { error: string; code: string; hint: string; causes: unknown[] }
    expect(report.code).to.equal('ERR_DB_NOT_FOUND')
    expect(report.error).to.include('/nowhere/at/all')
    expect(report.hint).not.to.equal('')
    expect(report.causes).to.be.an('array')
  })

  it('gives hints that a user of commands can follow', async () => {
    const nowhere = await run(['peers', '--group', 'g', '--interface', 'no-such-interface'])
    expect(nowhere.code).to.equal(1)
    expect(nowhere.err).to.match(/\[ERR_DNSSD_NO_INTERFACE\]\n {2}hint: Compare --interface /)
    expect(nowhere.err.split('\n')).to.have.lengthOf(4)
    const missing = await run(['ls', '/nonexistent/kithmesh'])
    expect(missing.err).to.match(/hint: Check the path; put, import and sync make/)
  })
  it('colours errors for people only', async () => {
    const coloured = await run(['get', '/nowhere/at/all', 'id'], { colours: true })
    expect(coloured.err).to.include('\u001b[31merror\u001b[0m')
    const plain = await run(['get', '/nowhere/at/all', 'id'])
    expect(plain.err).not.to.include('\u001b')
    expect(plain.err).to.match(/^error There is no database in .*\[ERR_DB_NOT_FOUND\]\n {2}hint: /)
  })
})
