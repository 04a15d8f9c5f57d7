// coturn on loopback addresses, as a process that is killed and started again.
import { spawn, spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity } from '@kithmesh/identity'
import { createTurnClient, openStunTcp, openStunUdp } from '@kithmesh/stun'
import { eventually } from '@kithmesh/testkit'

export const credentials = { username: 'kith', credential: 'mesh password' }

export function missingCoturn() {
  return spawnSync('turnserver', ['--version'], { stdio: 'ignore' }).error === undefined ? [] : ['turnserver (Debian: coturn)']
}

/** The first of four neighbouring ports that nobody uses, below those that the system hands out: they stay free while coturn is down. */
async function freePorts(hosts) {
  for (;;) {
    const first = 20_000 + 4 * randomInt(3000)
    const checks = hosts.flatMap((host) => [0, 1, 2, 3].map((index) => isFree(host, first + index)))
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

/**
 * Starts coturn on two addresses, each with two ports and two for TLS, so that it answers RFC 5780 questions; it relays at the first one.
 * @param options.args further arguments, e.g. `--stale-nonce=1`
 */
export async function startCoturn({ hosts = ['127.0.0.1', '127.0.0.2'], args = [] } = {}) {
  const [host, otherHost] = hosts
  const folder = await mkdtemp(join(tmpdir(), 'kithmesh-coturn-'))
  const identity = await createIdentity({ commonName: 'localhost' })
  await writeFile(join(folder, 'cert.pem'), identity.certificatePem)
  await writeFile(join(folder, 'key.pem'), identity.privateKeyPem)
  const port = await freePorts(hosts)
  const tlsPort = port + 2
  const allArgs = [
    ...['-n', '--log-file=stdout', '--no-cli', '--no-dtls', '--fingerprint'],
    ...['--lt-cred-mech', '--realm=lab', `--user=${credentials.username}:${credentials.credential}`],
    ...hosts.map((each) => `--listening-ip=${each}`),
    ...[`--listening-port=${port}`, `--alt-listening-port=${port + 1}`],
    ...[`--tls-listening-port=${tlsPort}`, `--alt-tls-listening-port=${port + 3}`],
    ...[`--cert=${join(folder, 'cert.pem')}`, `--pkey=${join(folder, 'key.pem')}`],
    ...[`--relay-ip=${host}`, '--allow-loopback-peers', `--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'db')}`],
    ...args
  ]
  let log = ''
  let child
  const onExit = () => child?.kill('SIGKILL')
  process.once('exit', onExit)

  async function start() {
    child = spawn('turnserver', allArgs, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder })
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
            await udp.bind({ address: host, port }, { deadlineMs: 200, rtoMs: 100 })
            const tcp = await openStunTcp({ server: { address: otherHost, port: port + 1 }, deadlineMs: 200 })
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

  async function kill() {
    const own = child
    if (own === undefined || own.exitCode !== null || own.signalCode !== null) return
    const exit = once(own, 'exit')
    own.kill('SIGKILL')
    await exit
  }

  /** Without a transport one that leaves it to the client. */
  function uri(transport) {
    if (transport === 'tls') return `turns:localhost:${tlsPort}`
    return `turn:${host}:${port}${transport === undefined ? '' : `?transport=${transport}`}`
  }

  await start()
  return {
    port,
    tlsPort,
    certificate: identity.certificatePem,
    address: { address: host, port },
    uri,
    /** A client that may log in. */
    client: (transport, options = {}) =>
      createTurnClient({ uri: uri(transport), ...credentials, tls: { ca: identity.certificatePem }, ...options }),
    kill,
    start,
    async [Symbol.asyncDispose]() {
      await kill()
      process.removeListener('exit', onExit)
      await rm(folder, { recursive: true, force: true })
    }
  }
}
