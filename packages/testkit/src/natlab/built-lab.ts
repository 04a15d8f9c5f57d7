import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { eventually } from '../eventually.ts'
import { isPublic, lanOf, sideNetworks } from './addresses.ts'
import type { PeerAddresses } from './addresses.ts'
import { runCommand } from './commands.ts'
import type { Programs } from './commands.ts'
import { natlabErrors } from './errors.ts'
import { LINE_PROGRAM } from './line-program.ts'
import { labPrefix, removeLeftOvers, removeNow } from './namespaces.ts'
import { dynamicSets, nftRuleset } from './nft-rules.ts'
import type { LabHost, LabPlan, LabSide, Router } from './options.ts'
import { stopProcess } from './stop-process.ts'
import { labCables, labHosts, labSides, netem, publicAddress, routersOf, setUpScript } from './topology.ts'
import type { Slowing } from './topology.ts'

/** How long new links may take to come up. */
const LINKS_MS = 15_000

/** The namespaces of a lab, and what happens in them. */
export class BuiltLab {
  readonly hosts: readonly LabHost[]
  readonly slowing: Slowing
  readonly #prefix: string
  readonly #programs: Programs
  readonly #removeNow: () => void
  #plan: LabPlan
  #line: ChildProcess | undefined
  #last: Promise<void> = Promise.resolve()

  /** @throws ERR_NATLAB_UNSUPPORTED, ERR_NATLAB_COMMAND, ERR_NATLAB_LATENCY; nothing is left behind then */
  static async build(plan: LabPlan, programs: Programs): Promise<BuiltLab> {
    await removeLeftOvers(programs)
    const slowing = await chooseSlowing(plan, programs)
    const lab = new BuiltLab(plan, programs, slowing)
    try {
      await lab.#make()
    } catch (error) {
      await lab.remove()
      throw error
    }
    return lab
  }

  private constructor(plan: LabPlan, programs: Programs, slowing: Slowing) {
    this.#plan = plan
    this.#programs = programs
    this.slowing = slowing
    this.hosts = labHosts(plan)
    this.#prefix = labPrefix(randomTag())
    const names = this.hosts.map((host) => this.namespace(host))
    this.#removeNow = () => removeNow(programs, names)
    process.once('exit', this.#removeNow)
  }

  namespace(host: LabHost): string {
    return this.#prefix + host
  }

  /** What to put before a command that is to run on a host, and to die with this process. */
  prefix(where: LabHost): [file: string, args: readonly string[]] {
    return [this.#program('setpriv'), ['--pdeathsig', 'KILL', this.#program('nsenter'), `--net=/run/netns/${this.namespace(where)}`, '--']]
  }

  exec(
    where: LabHost,
    command: string,
    args: readonly string[],
    options: { readonly input?: string; readonly timeoutMs?: number } = {}
  ): Promise<string> {
    const [file, before] = this.prefix(where)
    return runCommand(file, [...before, command, ...args], options)
  }

  addresses(peer: LabSide): PeerAddresses {
    const side = this.#plan[peer] === undefined ? 'a' : peer
    const index = side === peer ? 0 : 1
    const router = this.#way(side).router
    return {
      ipv4: lanOf(side, router).hosts[index],
      publicIpv4: publicAddress(this.#plan, peer),
      ipv6: this.#plan.ipv6 === 'off' ? undefined : sideNetworks[side].lan6.hosts[index]
    }
  }

  /** Changes a side's inner router. With `forget` its flows are forgotten, as in a router that starts anew. */
  async setRouter(side: LabSide, change: (router: Router) => Router, { forget }: { readonly forget: boolean }): Promise<void> {
    await this.#inTurn(async () => {
      const way = this.#way(side)
      const router = change(way.router)
      if (isPublic(router) && (way.carrier !== undefined || this.#plan.b === undefined))
        throw new TypeError(`a router with a carrier or with two peers behind it needs NAT, not ${router.kind}`)
      const renumbered = isPublic(router) !== isPublic(way.router)
      this.#plan = { ...this.#plan, [side]: { ...way, router } }
      const nat: LabHost = `nat-${side}`
      if (renumbered) {
        await this.#setUp(nat)
        await this.#setUp(side)
      }
      await this.#loadRules(nat, router, side)
      if (forget) await this.#forgetFlows(nat, [])
    })
  }

  async setLink(peer: LabSide, up: boolean): Promise<void> {
    await this.#inTurn(async () => {
      await this.#script(peer, `ip link set eth0 ${up ? 'up' : 'down'}`)
      if (!up) return
      // The kernel drops the routes of a link that goes down.
      await this.#setUp(peer)
      await this.#linksUp()
    })
  }

  async flush(keepTcpPorts: readonly number[]): Promise<void> {
    await this.#inTurn(async () => {
      const routers = labSides(this.#plan).flatMap((side) => routersOf(this.#plan, side))
      await Promise.all(
        routers.map(async ({ host, router }) => {
          const sets = dynamicSets(router).map((set) => `flush ${set}\n`)
          if (sets.length > 0) await this.exec(host, this.#program('nft'), ['-f', '-'], { input: sets.join('') })
          await this.#forgetFlows(host, keepTcpPorts)
        })
      )
    })
  }

  flows(side: LabSide): Promise<string> {
    this.#way(side)
    return this.exec(`nat-${side}`, this.#program('conntrack'), ['-L'])
  }

  async remove(): Promise<void> {
    await this.#last
    process.off('exit', this.#removeNow)
    if (this.#line !== undefined) await stopProcess(this.#line, 'SIGKILL')
    const commands = this.hosts.map((host) => `netns delete ${this.namespace(host)}\n`)
    // With -force the rest goes on; what was never made cannot be deleted, and is no failure here.
    await runCommand(this.#program('ip'), ['-force', '-batch', '-'], { input: commands.join('') }).catch(() => undefined)
  }

  async #make(): Promise<void> {
    const ip = this.#program('ip')
    const add = this.hosts.map((host) => `netns add ${this.namespace(host)}\n`).join('')
    await runCommand(ip, ['-batch', '-'], { input: add }).catch((cause: unknown) => {
      throw natlabErrors.create('ERR_NATLAB_UNSUPPORTED', 'Network namespaces cannot be made here', { cause })
    })
    // Segments of their own size, so that a lost packet is one packet and not forty.
    const segments = this.#plan.lossPercent > 0 ? ' gso_max_segs 1' : ''
    const cables = labCables(this.#plan, this.slowing).map(({ ends: [a, b] }) => {
      const end = ({ host, name }: typeof a): string => `name ${name} netns ${this.namespace(host)}${segments}`
      return `link add ${end(a)} type veth peer ${end(b)}\n`
    })
    await runCommand(ip, ['-batch', '-'], { input: cables.join('') })
    await Promise.all(this.hosts.map((host) => this.#setUp(host)))
    const routers = labSides(this.#plan).flatMap((side) => routersOf(this.#plan, side).map((entry) => ({ ...entry, side })))
    await Promise.all(routers.map(({ host, router, side }) => this.#loadRules(host, router, side)))
    await this.#linksUp()
    if (this.slowing === 'user-space') await this.#startLine()
    if (this.slowing === 'netem') {
      const outer = labSides(this.#plan).map((side) => routersOf(this.#plan, side).at(-1)?.host as LabHost)
      await Promise.all(outer.map((host) => this.#script(host, netem(this.#plan, 'wan'))))
    }
  }

  /** One change after the other: each of them assumes what the one before it has made. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const done = this.#last.then(change)
    this.#last = done.catch(() => undefined)
    return done
  }

  async #setUp(host: LabHost): Promise<void> {
    await this.#script(host, setUpScript(this.#plan, host, this.slowing))
  }

  /** The kernel tells of a new link's carrier late, and bridges drop packets until then. */
  async #linksUp(): Promise<void> {
    await eventually('the cables of the lab', async () => (await Promise.all(this.hosts.map((host) => this.#isUp(host)))).every(Boolean), {
      withinMs: LINKS_MS,
      everyMs: 10
    })
  }

  async #isUp(host: LabHost): Promise<boolean> {
    const text = await this.exec(host, this.#program('ip'), ['-details', '-oneline', 'link', 'show', 'type', 'veth'])
    const links = text.split('\n').filter((line) => line !== '')
    return links.every((link) => / state UP /.test(link) && !/ bridge_slave state (?!forwarding)/.test(link))
  }

  async #loadRules(host: LabHost, router: Router, side: LabSide): Promise<void> {
    const networks = sideNetworks[side]
    const inner = host === `nat-${side}`
    const behindCarrier = inner && this.#way(side).carrier !== undefined
    const ruleset = nftRuleset(router, {
      wanAddress: behindCarrier ? networks.carrier.hosts[0] : networks.wan,
      lan: inner ? lanOf(side, router).prefix : networks.carrier.prefix,
      ipv6Firewall: inner && this.#plan.ipv6 === 'firewall',
      seed: (side === 'a' ? 1 : 2) + (inner ? 0 : 2)
    })
    await this.exec(host, this.#program('nft'), ['-f', '-'], { input: ruleset })
  }

  async #forgetFlows(host: LabHost, keepTcpPorts: readonly number[]): Promise<void> {
    const conntrack = this.#program('conntrack')
    if (keepTcpPorts.length === 0) {
      await this.exec(host, conntrack, ['-F'])
      return
    }
    // conntrack opens /dev/stdin by its name, which a socket does not allow; a pipe of the shell does.
    const listed = await this.exec(host, conntrack, ['-L'])
    const commands = forgetting(listed, keepTcpPorts)
    // A flow may have ended by itself between the two commands, which is no failure.
    if (commands !== '') await this.#script(host, `cat <<'END' | ${conntrack} -R - || true\n${commands}END`)
  }

  async #startLine(): Promise<void> {
    const { latencyMs, lossPercent } = this.#plan
    const names = labSides(this.#plan).flatMap((side) => [`line-${side}`, `tap-${side}`])
    const [file, before] = this.prefix('pub')
    const args = [...before, this.#program('python3'), '-u', '-c', LINE_PROGRAM, String(latencyMs), String(lossPercent), ...names]
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#line = child
    let output = ''
    child.stderr.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000)
    })
    const ready = once(child.stdout, 'data')
    const failed = once(child, 'close').then(() => {
      throw natlabErrors.create('ERR_NATLAB_LATENCY', 'The program that delays packets ended', { details: { output } })
    })
    failed.catch(() => undefined)
    await Promise.race([ready, failed])
  }

  async #script(host: LabHost, script: string): Promise<void> {
    await this.exec(host, this.#program('sh'), ['-e'], { input: `PATH=$PATH:/usr/sbin:/sbin\n${script}\n` })
  }

  #way(side: LabSide): { readonly router: Router; readonly carrier: Router | undefined } {
    const way = this.#plan[side]
    if (way === undefined) throw new TypeError(`${side} has no router of its own in this lab`)
    return way
  }

  #program(name: string): string {
    return this.#programs.get(name) as string
  }
}

/** What to tell conntrack(8) to delete the listed flows one by one, but the TCP flows to some ports. */
function forgetting(listed: string, keepTcpPorts: readonly number[]): string {
  return listed
    .split('\n')
    .map((line) => /^(tcp|udp) .*?src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)/.exec(line) ?? undefined)
    .filter((flow) => flow !== undefined && !(flow[1] === 'tcp' && keepTcpPorts.includes(Number(flow[5]))))
    .map((flow) => {
      const [, protocol, from, to, sport, dport] = flow as RegExpExecArray
      return `-D -p ${protocol} -s ${from} -d ${to} --sport ${sport} --dport ${dport}\n`
    })
    .join('')
}

async function chooseSlowing({ latencyMs, lossPercent }: LabPlan, programs: Programs): Promise<Slowing> {
  if (latencyMs === 0 && lossPercent === 0) return 'none'
  if (programs.has('tc') && (await kernelHasNetem(programs))) return 'netem'
  if (programs.has('python3')) return 'user-space'
  throw natlabErrors.create('ERR_NATLAB_LATENCY', 'This kernel has no netem, and python3 is not installed')
}

/** Tries netem on the loopback device of a namespace made for it. */
async function kernelHasNetem(programs: Programs): Promise<boolean> {
  try {
    await runCommand(programs.get('unshare') as string, [
      '--net',
      programs.get('tc') as string,
      'qdisc',
      'add',
      'dev',
      'lo',
      'root',
      'netem',
      'delay',
      '1ms'
    ])
    return true
  } catch {
    return false
  }
}

function randomTag(): string {
  return Math.floor(Math.random() * 36 ** 6)
    .toString(36)
    .padStart(6, '0')
}
