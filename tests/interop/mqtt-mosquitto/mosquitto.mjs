// Debian's mosquitto on 127.0.0.1, configured by each test.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@kithmesh/testkit'
import { answers, freePorts } from '../../support/ports.mjs'

const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

export function isMosquittoInstalled() {
  return ['mosquitto', 'mosquitto_passwd'].every((program) => spawnSync(program, ['-h'], { env, stdio: 'ignore' }).error === undefined)
}

/** A broker whose configuration stays the same over restarts. */
export class Mosquitto {
  #folder = mkdtempSync(join(tmpdir(), 'kithmesh-mosquitto-'))
  #config
  #ports
  #child
  output = ''

  /** @param configure is given the ports of as many listeners as wanted, a function that writes a file and returns its path, and the folder */
  static async create(listeners, configure) {
    const broker = new Mosquitto()
    broker.#ports = await freePorts(listeners)
    // It drops root's rights, then reads its files and writes what it keeps.
    chmodSync(broker.#folder, 0o777)
    const config = configure(broker.#ports, (name, content) => broker.file(name, content), broker.#folder)
    broker.#config = broker.file('mosquitto.conf', `per_listener_settings false\nset_tcp_nodelay true\nlog_dest stderr\n${config}\n`)
    await broker.start()
    return broker
  }

  get ports() {
    return this.#ports
  }

  get running() {
    return this.#child !== undefined
  }

  file(name, content) {
    const path = join(this.#folder, name)
    writeFileSync(path, content, { mode: 0o644 })
    return path
  }

  async start() {
    const child = spawn('mosquitto', ['-c', this.#config], { env, stdio: ['ignore', 'ignore', 'pipe'] })
    this.#child = child
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text) => {
      this.output = (this.output + text).slice(-20_000)
    })
    let ended = false
    child.once('exit', () => {
      ended = true
      if (this.#child === child) this.#child = undefined
    })
    await eventually('mosquitto to listen', async () => {
      if (ended) throw new Error(`mosquitto did not start: ${this.output}`)
      return (await Promise.all(this.#ports.map((port) => answers(port)))).every(Boolean)
    })
  }

  /** At once, without a goodbye to anybody. */
  async kill() {
    const child = this.#child
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.kill('SIGKILL')
    await exited
  }

  async [Symbol.asyncDispose]() {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

/** The lines of a password file. */
export function passwordFile(folderFile, users) {
  const path = folderFile('passwords', '')
  for (const [name, password] of Object.entries(users)) {
    const { status, stderr } = spawnSync('mosquitto_passwd', ['-b', path, name, password], { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`mosquitto_passwd: ${stderr}`)
  }
  chmodSync(path, 0o644)
  return path
}
