// The foreign programs, run to their end, and the relay that they are run against.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRelay } from '@kithmesh/relay'

const PROGRAMS = {
  mosquitto_pub: 'mosquitto-clients',
  mosquitto_sub: 'mosquitto-clients',
  turnutils_uclient: 'coturn',
  turnutils_stunclient: 'coturn',
  turnutils_natdiscovery: 'coturn',
  openssl: 'openssl'
}
const PATIENCE_MS = 120_000

export const team = { username: 'team', password: 'a-long-secret' }

export function missingPrograms() {
  const missing = Object.entries(PROGRAMS).filter(([program]) => spawnSync(program, ['--version']).error !== undefined)
  return missing.map(([program, debian]) => `${program} (Debian: ${debian})`)
}

/** Runs a program to its end, or for at most two minutes; its exit code and everything it wrote. */
export function run(program, args) {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: PATIENCE_MS, killSignal: 'SIGKILL' }, (error, out, err) => {
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), text: `${out}${err}` })
    })
  })
}

/** A relay on loopback that may relay there; ports by name, and its certificate's file where it speaks TLS. */
export async function startRelay({ tls = false, ...options } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'kithmesh-relay-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  if (tls) {
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' })
  }
  const relay = createRelay({
    host: '127.0.0.1',
    users: [team],
    mqttPort: 0,
    stunPort: 0,
    alternateStunPort: 0,
    turnsPort: 0,
    allowPeers: ['127.0.0.0/8'],
    ...(tls ? { tls: { cert: readFileSync(certFile), key: readFileSync(keyFile) } } : {}),
    ...options
  })
  await relay.start()
  const portOf = (url) => url?.split(':').at(-1)
  const { brokers, stun, turn } = relay.urls
  return {
    relay,
    certFile,
    ports: { mqtt: portOf(brokers[0]), stun: portOf(stun[0]), turns: portOf(turn.find((url) => url.startsWith('turns:'))) },
    async [Symbol.asyncDispose]() {
      await relay.stop()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
