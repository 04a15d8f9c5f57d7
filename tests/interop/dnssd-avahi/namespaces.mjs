// Two hosts on one cable: network namespaces joined by a veth pair, made by the test and removed by it. Nothing leaves this machine.
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from '@kithmesh/testkit'

const programs = ['ip', 'dbus-daemon', 'avahi-daemon', 'avahi-browse', 'avahi-publish']

/** What has to be there for the suites, and is not. */
export function missingPrerequisites() {
  const missing = programs.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  if (process.platform !== 'linux' || process.getuid?.() !== 0) missing.push('root on Linux')
  return missing
}

const ip = (...args) => execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString()

let links = 0

/** A cable with a namespace at each end. `hosts[i]` runs programs there. */
export class Cable {
  /** Makes both ends; resolves when they can be used. */
  static async create(families) {
    const cable = new Cable(families)
    try {
      for (const host of cable.hosts) await host.isUp(host.interface)
    } catch (error) {
      cable.remove()
      throw error
    }
    return cable
  }

  constructor(families = {}) {
    const tag = `kd${process.pid % 100_000}x${++links}`
    this.hosts = [0, 1].map((index) => new Host(`${tag}${'ab'[index]}`, `v${tag}${'ab'[index]}`))
    try {
      for (const host of this.hosts) {
        ip('netns', 'add', host.namespace)
        ip('-n', host.namespace, 'link', 'set', 'lo', 'up')
      }
      this.#join(
        this.hosts.map((host) => host.interface),
        77,
        families
      )
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** A second cable between the same hosts, in another subnet; returns the names of its ends. */
  async second() {
    const names = this.hosts.map((host) => `${host.interface}2`)
    this.#join(names, 78, {})
    for (const [index, host] of this.hosts.entries()) await host.isUp(names[index])
    return names
  }

  #join(names, subnet, { ipv4 = true, ipv6 = true }) {
    const [a, b] = this.hosts
    ip('link', 'add', names[0], 'netns', a.namespace, 'type', 'veth', 'peer', 'name', names[1], 'netns', b.namespace)
    for (const [index, host] of this.hosts.entries()) {
      const name = names[index]
      host.command('sysctl', '-qw', `net.ipv6.conf.${name}.accept_dad=0`, `net.ipv6.conf.${name}.disable_ipv6=${ipv6 ? 0 : 1}`)
      if (ipv4) ip('-n', host.namespace, 'address', 'add', `10.${subnet}.0.${index + 1}/24`, 'dev', name)
      if (ipv6) ip('-n', host.namespace, 'address', 'add', `fd${subnet}::${index + 1}/64`, 'dev', name, 'nodad')
      ip('-n', host.namespace, 'link', 'set', name, 'up')
    }
  }

  /** Ends what still runs and removes the namespaces. */
  async [Symbol.asyncDispose]() {
    await Promise.all(this.hosts.map((host) => host.stopAll()))
    this.remove()
  }

  remove() {
    for (const { namespace } of this.hosts) spawnSync('ip', ['netns', 'delete', namespace])
  }
}

class Host {
  #children = new Set()

  constructor(namespace, interfaceName) {
    this.namespace = namespace
    this.interface = interfaceName
  }

  async isUp(name) {
    await eventually(`${name} to be up`, () => / state UP /.test(ip('-n', this.namespace, '-o', 'link', 'show', name)), {
      everyMs: 20
    })
  }

  /** Runs a command to its end and returns what it wrote. */
  command(...args) {
    return execFileSync('ip', ['netns', 'exec', this.namespace, ...args], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 20_000 }).toString()
  }

  /** Starts a program that is ended with the test. */
  start(args, { env = {}, stdio = ['ignore', 'pipe', 'pipe'] } = {}) {
    const child = spawn('ip', ['netns', 'exec', this.namespace, ...args], { stdio, env: { ...process.env, ...env } })
    child.output = ''
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk) => {
        child.output += chunk
      })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  async stopAll() {
    await Promise.all([...this.#children].map((child) => stop(child)))
  }
}

/** Ends a child by signal and waits for it. */
export async function stop(child, signal = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await exit
  clearTimeout(timer)
}
