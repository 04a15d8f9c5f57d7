// coturn on loopback addresses, as a process that a test starts, kills and starts again.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStunTcp } from '@kithmesh/stun'
import { eventually } from '@kithmesh/testkit'
import { freePorts } from '../../support/ports.mjs'

const USER = 'kithmesh'
const PASSWORD = 'a password'

export function missingCoturn() {
  return spawnSync('turnserver', ['--version']).error === undefined ? [] : ['turnserver (Debian: coturn)']
}

export class Coturn {
  #host
  #options
  #folder = mkdtempSync(join(tmpdir(), 'kithmesh-coturn-'))
  #process
  #port
  #output = ''

  /** @param options further options of turnserver, e.g. `--stale-nonce=1` */
  constructor(host = '127.0.0.1', options = []) {
    this.#host = host
    this.#options = options
  }

  get output() {
    return this.#output
  }

  /** A server for `turn()`; the query says which transport, none means all. */
  server(query = '') {
    return { url: `turn:${this.#host}:${this.#port}${query}`, username: USER, credential: PASSWORD }
  }

  /** Starts, again on the port it had before; resolves when it answers. */
  async start() {
    this.#port ??= (await freePorts(1, this.#host))[0]
    this.#process = spawn(
      'turnserver',
      [
        '-n',
        `--listening-ip=${this.#host}`,
        `--listening-port=${this.#port}`,
        `--relay-ip=${this.#host}`,
        '--lt-cred-mech',
        `--user=${USER}:${PASSWORD}`,
        '--realm=kithmesh.test',
        '--allow-loopback-peers',
        '--fingerprint',
        '--no-tls',
        '--no-dtls',
        '--no-cli',
        '--no-software-attribute',
        `--userdb=${join(this.#folder, 'users')}`,
        `--pidfile=${join(this.#folder, 'pid')}`,
        '--log-file=stdout',
        '--simple-log',
        ...this.#options
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] }
    )
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream.on('data', (chunk) => {
        this.#output = (this.#output + chunk).slice(-20_000)
      })
    const address = { address: this.#host, port: this.#port }
    await eventually('coturn to answer', async () => {
      if (this.#process.exitCode !== null) throw new Error(`turnserver ended with ${this.#process.exitCode}: ${this.#output}`)
      return await openStunTcp({ server: address }).then(
        async (connection) => {
          await connection.bind()
          await connection.close()
          return true
        },
        () => false
      )
    })
    return this
  }

  async kill() {
    if (this.#process === undefined || this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exited = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await exited
  }

  async [Symbol.asyncDispose]() {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
