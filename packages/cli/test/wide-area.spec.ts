import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { type AddressInfo, type Socket, createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('the options of sync for other networks', () => {
  afterEach(() => {
    temporary.clean()
  })

  const refused = async (...options: string[]): Promise<string> => {
    const outcome = await run(['sync', join(temporary.make(), 'db'), '--group', 'test', '--insecure', ...options])
    expect(outcome.code, outcome.err).to.be.oneOf([1, 2])
    return outcome.err
  }
  const file = (name: string, text: string): string => {
    const path = join(temporary.make(), name)
    writeFileSync(path, text)
    return path
  }

  it('need a broker', async () => {
    expect(await refused('--stun', 'stun:127.0.0.1')).to.include('--stun needs --broker')
    expect(await refused('--stun', 'stun:127.0.0.1', '--turn', 'turn:127.0.0.1', '--ntp', '127.0.0.1')).to.include(
      '--stun and --turn and --ntp need --broker'
    )
    expect(await refused('--forwarded-port', '4984', '--turn-user', 'a:b')).to.include('--turn-user and --forwarded-port need --broker')
    expect(await refused('--no-lan')).to.include('--no-lan needs --broker')
  })

  it('that cannot be understood are misuse, with a hint, and no secret is repeated', async () => {
    const broker = ['--broker', 'mqtt://127.0.0.1:9']
    const login = ['--turn-user', 'u:hidden']
    for (const wrong of [
      ['--broker', 'http://u:secret@h'],
      ['--broker', 'mqtt://u:secret@h:port'],
      ['--broker', 'mqtt://u:secret%@h'],
      [...broker, '--stun', 'stun:u:secret@h'],
      [...broker, '--stun', 'http://h'],
      [...broker, '--turn', 'turn:u:secret@h', ...login],
      [...broker, '--turn', 'turns:h?transport=udp', ...login],
      [...broker, '--ntp', 'u:secret@h'],
      [...broker, '--ntp', 'http://h'],
      [...broker, '--forwarded-port', '0']
    ])
      for (const json of [[], ['--json']]) {
        const { code, err, out } = await run(['sync', join(temporary.make(), 'db'), '--group', 'test', '--insecure', ...wrong, ...json])
        expect(code, err).to.equal(2)
        expect(err, wrong.join(' ')).to.match(json.length === 0 ? /hint: Write / : /"hint":"Write /)
        expect(err + out).to.not.match(/secret|hidden/)
      }
  })

  it('end with an interrupt while a broker does not answer', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => {
      sockets.push(socket.on('error', () => {}).resume())
      stop.abort()
    }).listen(0, '127.0.0.1')
    const stop = new AbortController()
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    try {
      const options = ['--group', 'test', '--insecure', '--no-lan', '--broker', `mqtt://127.0.0.1:${port}`, '--json']
      const { code, out, err } = await run(['sync', join(temporary.make(), 'db'), ...options], { signal: stop.signal })
      expect([code, out, err]).to.deep.equal([0, '', ''])
      await eventually('the connection to be closed', () => sockets.every((socket) => socket.destroyed))
    } finally {
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
  })

  it('keep nobody from being listed when a broker does not answer', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket.resume())).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as AddressInfo
    try {
      const words = ['peers', '--group', 'test', '--interface', 'lo', '--seconds', '1', '--broker', `mqtt://127.0.0.1:${port}`]
      const { code, out, err } = await run(words)
      expect([code, out]).to.deep.equal([0, ''])
      expect(err).to.match(/^MQTT found nobody: there was no answer yet\n/i)
      expect(sockets).to.not.deep.equal([])
    } finally {
      for (const socket of sockets) socket.destroy()
      silent.close()
    }
  })

  it('of peers need a broker, too', async () => {
    const { code, err } = await run(['peers', '--group', 'test', '--group-key-file', 'key'])
    expect(code).to.equal(2)
    expect(err).to.include('--group-key-file needs --broker')
  })

  it('of doctor are read before anything is looked at', async () => {
    const absent = join(temporary.make(), 'absent')
    for (const [option, words] of [
      ['--broker-ca', ['--broker', 'mqtts://127.0.0.1:9', '--broker-ca', absent]],
      ['--group-key-file', ['--broker', 'mqtt://127.0.0.1:9', '--group-key-file', absent]],
      ['--turn-user-file', ['--turn', 'turn:127.0.0.1', '--turn-user-file', absent]]
    ] as const) {
      const { code, out, err } = await run(['doctor', ...words])
      expect([option, code, out]).to.deep.equal([option, 1, ''])
      expect(err).to.include(absent).and.to.include('ERR_CLI_FILE')
    }
  })

  it('are checked before anybody is contacted', async () => {
    const broker = ['--broker', 'mqtt://127.0.0.1:9']
    expect(await refused(...broker, '--turn', 'turn:127.0.0.1')).to.include('--turn needs --turn-user or --turn-user-file')
    expect(await refused(...broker, '--turn', 'stun:127.0.0.1', '--turn-user', 'a:b')).to.match(/TURN/)
    expect(await refused(...broker, '--stun', 'http://127.0.0.1')).to.match(/stun/)
    expect(await refused('--broker', 'http://127.0.0.1')).to.match(/mqtt/)
    expect(await refused(...broker, '--group-key-file', file('key', 'short\n'))).to.include('shorter than 12 characters')
    expect(await refused(...broker, '--group-key-file', join(temporary.make(), 'absent'))).to.include('cannot be read')
    expect(await refused(...broker, '--turn-user-file', file('login', '# nobody\n'), '--turn', 'turn:127.0.0.1')).to.include(
      'has no line with user:password'
    )
  })
})
