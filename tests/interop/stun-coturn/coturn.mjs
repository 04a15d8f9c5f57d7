// coturn on 127.0.0.1 and 127.0.0.2, each with two ports, so that it answers RFC 5780 questions.
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity } from '@kithmesh/identity'
import { openStunTcp, openStunUdp } from '@kithmesh/stun'
import { eventually } from '@kithmesh/testkit'

export const username = 'kith'
export const credential = 'mesh password'

export function coturnIsThere() {
  return spawnSync('turnserver', ['--version'], { stdio: 'ignore' }).error === undefined
}

/** The first of four neighbouring ports that nobody uses, below those that the system hands out. */
async function freePorts() {
  for (;;) {
    const first = 20_000 + 4 * randomInt(3000)
    const checks = ['127.0.0.1', '127.0.0.2'].flatMap((host) => [0, 1, 2, 3].map((index) => isFree(host, first + index)))
    if ((await Promise.all(checks)).every(Boolean)) return first
  }
}

async function isFree(localAddress, port) {
  try {
    const udp = await openStunUdp({ localAddress, localPort: port })
    await udp.close()
  } catch {
    return false
  }
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, localAddress, () => server.close(() => resolve(true)))
  })
}

/** Starts coturn; `options` are further command line options. */
export async function startCoturn(options = []) {
  const folder = await mkdtemp(join(tmpdir(), 'kithmesh-coturn-'))
  const identity = await createIdentity({ commonName: 'localhost' })
  await writeFile(join(folder, 'cert.pem'), identity.certificatePem)
  await writeFile(join(folder, 'key.pem'), identity.privateKeyPem)
  const port = await freePorts()
  const tlsPort = port + 2
  const args = [
    ...[
      '-n',
      '--log-file=stdout',
      '--no-cli',
      '--no-dtls',
      '--fingerprint',
      '--lt-cred-mech',
      '--realm=lab',
      `--user=${username}:${credential}`
    ],
    ...['--listening-ip=127.0.0.1', '--listening-ip=127.0.0.2', `--listening-port=${port}`, `--alt-listening-port=${port + 1}`],
    ...[
      `--tls-listening-port=${tlsPort}`,
      `--alt-tls-listening-port=${port + 3}`,
      `--cert=${join(folder, 'cert.pem')}`,
      `--pkey=${join(folder, 'key.pem')}`
    ],
    ...['--relay-ip=127.0.0.1', '--allow-loopback-peers', `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'db')}`],
    ...options
  ]
  let log = ''
  let child
  const onExit = () => child?.kill('SIGKILL')
  process.once('exit', onExit)

  async function start() {
    child = spawn('turnserver', args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
    const own = child
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        log = (log + chunk).slice(-200_000)
      })
    try {
      await eventually(
        'coturn to answer',
        async () => {
          if (own.exitCode !== null) return false
          const udp = await openStunUdp({ localAddress: '127.0.0.1' })
          try {
            await udp.bind({ address: '127.0.0.1', port }, { deadlineMs: 200, rtoMs: 100 })
            const tcp = await openStunTcp({ server: { address: '127.0.0.2', port: port + 1 }, deadlineMs: 200 })
            await tcp.close()
            return true
          } finally {
            await udp.close()
          }
        },
        { everyMs: 50 }
      )
    } catch (error) {
      await kill()
      throw new Error(`coturn did not start:\n${log}`, { cause: error })
    }
  }

  async function kill(signal = 'SIGKILL') {
    const own = child
    if (own === undefined || own.exitCode !== null || own.signalCode !== null) return
    const exit = once(own, 'exit')
    own.kill(signal)
    await exit
  }

  await start()
  return {
    port,
    tlsPort,
    certificate: identity.certificatePem,
    address: { address: '127.0.0.1', port },
    uri: (transport) =>
      transport === 'tls' ? `turns:localhost:${tlsPort}` : `turn:127.0.0.1:${port}${transport === 'tcp' ? '?transport=tcp' : ''}`,
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill()
      process.removeListener('exit', onExit)
      await rm(folder, { recursive: true, force: true })
    }
  }
}
