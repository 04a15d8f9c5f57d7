import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { expect } from 'chai'
import { jsonLines, run, start } from './support/command.ts'

describe('air', () => {
  let running: ReturnType<typeof start>[]
  let sockets: Socket[]

  beforeEach(() => {
    running = []
    sockets = []
  })
  afterEach(async () => {
    for (const socket of sockets) socket.destroy()
    await Promise.all(running.map((command) => command.stop()))
  })

  const launch = (...words: string[]): ReturnType<typeof start> => {
    const command = start(['air', ...words])
    running.push(command)
    return command
  }
  /** Connects, reads the controller's address over HCI, and resolves with it. */
  const addressAt = (port: number): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1')
      sockets.push(socket)
      socket.on('error', reject)
      socket.on('data', (answer: Buffer) => {
        resolve(answer.toString('hex'))
      })
      socket.write(Buffer.from('01091000', 'hex'))
    })

  it('prints where it is, and who comes and goes', async () => {
    const command = launch('--json', '--address', 'C0:FF:EE:00:00:0A', '--range', '15', '--loss', '0.1', '--rate', '90000')
    const [first] = jsonLines(await command.stdout.until((text) => text.includes('\n'), 'the first line'))
    expect(first).to.include({ event: 'listening', host: '127.0.0.1' })
    expect(first.addresses).to.deep.equal([{ address: 'c0ffee00000a', port: first.addresses[0].port }])
    expect(await addressAt(first.port as number)).to.equal('040e0a01091000010000eeffc0')
    expect(await addressAt(first.addresses[0].port as number)).to.equal('040e0a010910000a0000eeffc0')
    sockets[0]?.destroy()
    await command.stdout.until((text) => text.includes('"left"'), 'somebody to leave')
    sockets[1]?.write('garbage')
    await command.stdout.until((text) => text.split('"left"').length === 3, 'the other to be cut off')
    expect(await command.stop()).to.equal(0)
    const [, ...later] = jsonLines(command.stdout.text)
    expect(later).to.deep.equal([
      { event: 'joined', address: 'c0ffee000001', controllers: 1 },
      { event: 'joined', address: 'c0ffee00000a', controllers: 2 },
      { event: 'left', address: 'c0ffee000001', controllers: 1 },
      { event: 'left', address: 'c0ffee00000a', controllers: 0, reason: 'a packet of type 103, which no LE host sends' },
      { event: 'stopped' }
    ])
    expect(command.stderr.text).to.equal('')
  })
  it('says so in words without --json', async () => {
    const command = launch('--address', 'c0ffee00000a')
    await command.stdout.until((text) => text.split('\n').length > 2, 'the addresses')
    const port = Number(/a virtual air at 127\.0\.0\.1:(\d+)/.exec(command.stdout.text)?.[1])
    await addressAt(port)
    sockets[0]?.destroy()
    await command.stdout.until((text) => text.includes('left'), 'somebody to leave')
    expect(await command.stop()).to.equal(0)
    expect(command.stdout.text).to.match(
      /^a virtual air at .*\n {2}c0ffee00000a at 127\.0\.0\.1:\d+\nc0ffee000001 joined, 1 on the air\nc0ffee000001 left, 0 on the air\n$/
    )
  })
  it('fails when the port is taken', async () => {
    const first = launch('--json')
    const [listening] = jsonLines(await first.stdout.until((text) => text.includes('\n'), 'the first line'))
    const second = await run(['air', '--port', String(listening.port)])
    expect(second.code).to.equal(1)
    expect(second.err).to.match(/\[ERR_AIR_LISTEN\]/)
  })
})
