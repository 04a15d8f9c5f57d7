import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { openOrCreateIdentity } from '@kithmesh/identity'
import { openStunTcp } from '@kithmesh/stun'
import { relayHosts } from '../dist/relay/hosts.js'
import { statusLine } from '../dist/relay/status-line.js'
import { named, shellWord, syncOptions } from '../dist/relay/sync-options.js'
import { run, start, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()
const anywhere = ['relay', '--host', '127.0.0.1', '--mqtt-port', '0', '--stun-port', '0', '--alternate-stun-port', '0', '--turns-port', '0']

describe('kithmesh relay', () => {
  afterEach(() => {
    temporary.clean()
  })

  /** Starts it; what it says first, and how to stop it. */
  async function listening(words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
    const command = start([...anywhere, '--json', ...words], { environment })
    const text = await command.stdout.until((each) => each.includes('"listening"'), 'the relay to listen')
    const event = JSON.parse(text.split('\n')[0]!) as Record<string, any>
    return { ...command, event }
  }

  it('makes a login that only its owner can read, shows it once, and answers', async () => {
    const state = temporary.make()
    const first = await listening([], { XDG_STATE_HOME: state })
    const path = join(state, 'kithmesh', 'relay', 'login')
    const text = readFileSync(path, 'utf8')
    expect(text).to.match(/^team:[A-Za-z0-9_-]{24}\n$/)
    expect(statSync(path).mode & 0o777).to.equal(0o600)
    const password = text.trim().slice('team:'.length)
    const { event } = first
    expect(event).to.deep.include({ event: 'listening', users: 1, loginFile: path, login: { username: 'team', password } })
    expect(event['options'].slice(0, 2)).to.deep.equal(['--broker', event['brokers'][0].replace('//', `//team:${password}@`)])
    expect(event['options'].slice(-2)).to.deep.equal(['--turn-user', `team:${password}`])
    const tcp = await openStunTcp({ server: { address: '127.0.0.1', port: Number(event['stun'][0].split(':').at(-1)) } })
    expect((await tcp.bind()).mapped.port).to.equal(tcp.localPort)
    await tcp.close()
    await first.stdout.until((each) => each.includes('"answers":1'), 'the status')
    expect(await first.stop()).to.equal(0)
    expect(first.stdout.text.trim().split('\n').at(-1)).to.equal('{"event":"stopped"}')

    const second = await listening([], { XDG_STATE_HOME: state })
    expect(await second.stop()).to.equal(0)
    expect(second.event['options'].at(-1)).to.equal('USER:PASSWORD')
    expect(second.stdout.text + second.stderr.text).not.to.contain(password)
    const third = await listening(['--show-login'], { XDG_STATE_HOME: state })
    expect(await third.stop()).to.equal(0)
    expect(third.event['login']).to.deep.equal({ username: 'team', password })
  })

  it('tells people what to paste', async () => {
    const command = start([...anywhere, '--state', temporary.make()], { interactive: true })
    const text = await command.stdout.until((each) => each.includes('--turn-user'), 'what to paste')
    await command.stderr.until((each) => each.includes('0 clients, 0 allocations, 0 B relayed, 0 STUN answers'), 'the live line')
    expect(await command.stop()).to.equal(0)
    expect(text).to.match(
      /^broker {2}mqtt:\/\/127\.0\.0\.1:\d+\nSTUN {4}stun:127\.0\.0\.1:\d+ {2}stun:127\.0\.0\.1:\d+\nTURN {4}turn:127\.0\.0\.1:\d+\nlogin {3}team:/
    )
    expect(text).to.match(/kithmesh sync DIR --group NAME --broker mqtt:\/\/team:[\w-]+@127\.0\.0\.1:\d+ \\\n {4}--stun stun:/)
    expect(command.stderr.text).to.contain('without --cert, logins').and.to.contain('from this machine only')
  })

  it('takes the users of a file, and warns of readers', async () => {
    const file = join(temporary.make(), 'users')
    writeFileSync(file, '# the team\nanna:long enough\nbert:long enough, too\n')
    chmodSync(file, 0o644)
    const command = await listening(['--user-file', file])
    expect(await command.stop()).to.equal(0)
    expect(command.event).to.include({ users: 2 }).and.to.not.have.any.keys('login', 'loginFile')
    expect(command.stderr.text).to.contain(`can read ${file}`)
  })

  it('speaks TLS with a certificate', async () => {
    const directory = temporary.make()
    await openOrCreateIdentity(directory, { commonName: 'relay' })
    const pem = join(directory, 'identity.pem')
    const command = await listening(['--state', directory, '--cert', pem, '--key', pem, '--name', 'relay.example.org'])
    expect(await command.stop()).to.equal(0)
    const { brokers, turn } = command.event as { brokers: string[]; turn: string[] }
    expect(brokers[0]).to.match(/^mqtts:\/\/relay\.example\.org:\d+$/)
    expect(turn.map((url) => url.split(':').slice(0, 2).join(':'))).to.deep.equal(['turn:relay.example.org', 'turns:relay.example.org'])
  })

  it('keeps to the realm and the number of connections that are given', async () => {
    const command = await listening(['--state', temporary.make(), '--realm', 'team.example', '--max-connections', '1'])
    const { hostname, port } = new URL(command.event['brokers'][0])
    const sockets = [0, 1].map(() => connect(Number(port), hostname).on('error', () => {}))
    try {
      await Promise.race(sockets.map((socket) => once(socket.resume(), 'close')))
      expect(sockets.filter(({ destroyed }) => destroyed)).to.have.lengthOf(1)
      const udp = createSocket('udp4')
      const answered = once(udp, 'message')
      // Allocate without a login, RFC 8656 §7.1: the answer names the realm to log in to.
      const request = Buffer.from(`00030008${'2112a442'}${'ab'.repeat(12)}0019000411000000`, 'hex')
      udp.send(request, Number(command.event['stun'][0].split(':').at(-1)), '127.0.0.1')
      const [answer] = (await answered) as [Buffer]
      udp.close()
      expect(answer.toString('latin1')).to.include('team.example')
    } finally {
      for (const socket of sockets) socket.destroy()
      expect(await command.stop()).to.equal(0)
    }
  })

  it('is misused with options that make no sense', async () => {
    const state = ['--state', temporary.make()]
    for (const wrong of [
      ['--cert', 'x'],
      ['--relay-ports', '5'],
      ['--relay-ports', '6000-5000'],
      ['--host', 'localhost'],
      ['--allow-peer', '10.0.0.0/99'],
      ['--public-address', '203.0.113.1', '--public-address', '203.0.113.2'],
      ['--user', 'anna:short'],
      ['--mqtt-port', '70000'],
      ['--max-allocations', '0'],
      ['--max-connections', '0'],
      ['--rate', '0']
    ]) {
      const { code, err } = await run([...anywhere, ...state, ...wrong])
      expect(code, wrong.join(' ')).to.equal(2)
      expect(err, wrong.join(' ')).to.contain('error')
    }
  })

  it('chooses the addresses that devices reach at best', () => {
    const entry = (address: string, internal = false) =>
      ({ address, internal, family: address.includes(':') ? 'IPv6' : 'IPv4', netmask: '', mac: '', cidr: null }) as never
    expect(
      relayHosts({
        lo: [entry('127.0.0.1', true)],
        eth0: [entry('10.0.0.5'), entry('fe80::1')],
        eth1: [entry('203.0.113.7'), entry('2001:db8::7')]
      })
    ).to.deep.equal(['203.0.113.7', '2001:db8::7'])
    expect(relayHosts({ eth0: [entry('10.0.0.5'), entry('fd00::1')] })).to.deep.equal(['10.0.0.5'])
    expect(relayHosts({ lo: [entry('127.0.0.1', true), entry('::1', true)] })).to.deep.equal(['127.0.0.1'])
  })

  it('names one broker, all STUN servers, and TURN over TLS last', () => {
    const urls = {
      brokers: ['mqtt://203.0.113.1:1883', 'mqtt://203.0.113.2:1883'],
      stun: ['stun:203.0.113.1:3478', 'stun:203.0.113.2:3478'],
      turn: ['turn:203.0.113.1:3478', 'turns:203.0.113.1:5349']
    }
    const login = { username: 'anna', password: "it's 100 %" }
    const words = ['--broker', "mqtt://anna:it's%20100%20%25@203.0.113.1:1883", '--stun', urls.stun[0], '--stun', urls.stun[1]]
    expect(syncOptions(urls, login)).to.deep.equal([
      ...words,
      '--turn',
      urls.turn[0],
      '--turn',
      urls.turn[1],
      '--turn-user',
      "anna:it's 100 %"
    ])
    expect(shellWord("anna:it's 100 %")).to.equal(`'anna:it'\\''s 100 %'`)
    expect(named(urls, 'r.example').brokers).to.deep.equal(['mqtt://r.example:1883'])
  })

  it('sums up what goes on', () => {
    const broker = { clients: 1, retained: 0, messages: 0, refused: 1 }
    const turn = { allocations: 2, connections: 1, relayedBytes: 1_234_567, refused: { 403: 2 } }
    expect(statusLine({ broker, turn, stun: { answers: 9, dropped: 0 } })).to.equal(
      '1 client, 2 allocations, 1 connection, 1.2 MB relayed, 9 STUN answers, 3 refused'
    )
  })
})
