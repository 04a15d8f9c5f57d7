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
      for (const host of cable.hosts) {
        await eventually(
          `${host.interface} to be up`,
          () => / state UP /.test(ip('-n', host.namespace, '-o', 'link', 'show', host.interface)),
          { withinMs: 10_000, everyMs: 20 }
        )
      }
    } catch (error) {
      cable.remove()
      throw error
    }
    return cable
  }

  constructor({ ipv4 = true, ipv6 = true } = {}) {
    const tag = `kd${process.pid % 100_000}x${++links}`
    this.hosts = [0, 1].map((index) => new Host(`${tag}${'ab'[index]}`, `v${tag}${'ab'[index]}`))
    const [a, b] = this.hosts
    try {
      for (const host of this.hosts) ip('netns', 'add', host.namespace)
      ip('link', 'add', a.interface, 'netns', a.namespace, 'type', 'veth', 'peer', 'name', b.interface, 'netns', b.namespace)
      for (const [index, host] of this.hosts.entries()) {
        host.command(
          'sysctl',
          '-qw',
          `net.ipv6.conf.${host.interface}.accept_dad=0`,
          `net.ipv6.conf.${host.interface}.disable_ipv6=${ipv6 ? 0 : 1}`
        )
        if (ipv4) ip('-n', host.namespace, 'address', 'add', `10.77.0.${index + 1}/24`, 'dev', host.interface)
        if (ipv6) ip('-n', host.namespace, 'address', 'add', `fd77::${index + 1}/64`, 'dev', host.interface, 'nodad')
        ip('-n', host.namespace, 'link', 'set', 'lo', 'up')
        ip('-n', host.namespace, 'link', 'set', host.interface, 'up')
      }
    } catch (error) {
      this.remove()
      throw error
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
