import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverAddresses } from './addresses.ts'
import type { PeerAddresses } from './addresses.ts'
import { natlabErrors } from './errors.ts'
import { BuiltLab } from './built-lab.ts'
import { labPlan, routerPlan } from './options.ts'
import type { LabHost, LabSide, NatKind, NatLabOptions, NatOptions } from './options.ts'
import { checkPrerequisites, requirePrograms } from './prerequisites.ts'
import { ServerProcess, coturnArguments, mosquittoConfig } from './servers.ts'
import type { CoturnOptions, LabBroker, LabTurnServer, ListenAddress, MosquittoOptions } from './servers.ts'
import { stopProcess } from './stop-process.ts'
import type { Slowing } from './topology.ts'

export interface ExecOptions {
  /** Given to the program's standard input. */
  readonly input?: string
  /** @default 30000 */
  readonly timeoutMs?: number
}

export interface FlushOptions {
  /** TCP flows to these ports are kept, e.g. 1883: the connection to the broker. */
  readonly keepTcpPorts?: readonly number[]
}

export interface SetNatOptions {
  /** Open connections go on as they were translated; only new ones meet the new kind, as in a router that is configured anew. @default false */
  readonly keepFlows?: boolean
}

/** Two peers, their routers and an internet with servers, each in a network namespace of its own. */
export interface NatLab {
  /** The hosts that exist here. */
  readonly hosts: readonly LabHost[]
  /** The network namespace of each host, for `ip netns exec`. */
  readonly namespaces: Readonly<Partial<Record<LabHost, string>>>
  /** What makes latency and loss. */
  readonly slowing: Slowing
  readonly servers: typeof serverAddresses
  /** The peers' addresses; they change with {@link NatLab.setNat}. */
  addresses(peer: LabSide): PeerAddresses
  /**
   * Starts a program on a host. It ends with the lab, and with this process.
   * @param options of `child_process.spawn`; standard output and error are pipes by default
   */
  run(where: LabHost, command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess
  /** Runs a program to its end and resolves with what it wrote. @throws ERR_NATLAB_COMMAND */
  exec(where: LabHost, command: string, args?: readonly string[], options?: ExecOptions): Promise<string>
  /**
   * Makes a side's router (not its carrier) one of another kind and forgets its flows, unless told to keep them. The peers behind it may get
   * other addresses.
   */
  setNat(side: LabSide, nat: NatKind | NatOptions, options?: SetNatOptions): Promise<void>
  /** Lets no UDP through a side's router, or lets it through again. */
  blockUdp(side: LabSide, blocked?: boolean): Promise<void>
  /** Pulls a peer's cable or plugs it in. */
  setLink(peer: LabSide, up: boolean): Promise<void>
  /** Forgets the flows of all routers: later packets make new mappings. */
  flush(options?: FlushOptions): Promise<void>
  /** The flows of a side's router, as conntrack(8) writes them. */
  flows(side: LabSide): Promise<string>
  /** Starts a STUN and TURN server on both addresses of `srv`. @throws ERR_NATLAB_PROGRAMS without coturn, ERR_NATLAB_SERVER */
  startCoturn(options?: CoturnOptions): Promise<LabTurnServer>
  /** Starts an MQTT broker. @throws ERR_NATLAB_PROGRAMS without mosquitto, ERR_NATLAB_SERVER */
  startMosquitto(options?: MosquittoOptions): Promise<LabBroker>
  /** Ends every program in the lab and removes it. Idempotent. */
  dispose(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Builds a lab of network namespaces, veth cables and nftables routers; takes about half a second. Any number may exist at a time: each is
 * a world of its own, and none is connected to the machine's network. What labs of dead processes left is removed first.
 *
 * Removed by `dispose`, when the process exits, and by the next lab when the process was killed. Use one lab for many tests where you can:
 * `setNat` and `flush` are quicker.
 * @throws ERR_NATLAB_UNSUPPORTED, ERR_NATLAB_PROGRAMS, ERR_NATLAB_LATENCY, ERR_NATLAB_COMMAND; TypeError for options that make no sense
 */
export async function createNatLab(options: NatLabOptions): Promise<NatLab> {
  const plan = labPlan(options)
  const programs = await checkPrerequisites()
  const built = await BuiltLab.build(plan, programs)
  return new Lab(built)
}

class Lab implements NatLab {
  readonly #built: BuiltLab
  readonly #children = new Set<ChildProcess>()
  #directory: Promise<string> | undefined
  #disposed: Promise<void> | undefined

  constructor(built: BuiltLab) {
    this.#built = built
  }

  get hosts(): readonly LabHost[] {
    return this.#built.hosts
  }

  get namespaces(): Readonly<Partial<Record<LabHost, string>>> {
    return Object.fromEntries(this.hosts.map((host) => [host, this.#built.namespace(host)]))
  }

  get slowing(): Slowing {
    return this.#built.slowing
  }

  get servers(): typeof serverAddresses {
    return serverAddresses
  }

  addresses(peer: LabSide): PeerAddresses {
    return this.#built.addresses(peer)
  }

  run(where: LabHost, command: string, args: readonly string[] = [], options: SpawnOptions = {}): ChildProcess {
    this.#check(where)
    const [file, before] = this.#built.prefix(where)
    const child = spawn(file, [...before, command, ...args], { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    child.once('error', () => this.#children.delete(child))
    return child
  }

  async exec(where: LabHost, command: string, args: readonly string[] = [], options: ExecOptions = {}): Promise<string> {
    this.#check(where)
    return await this.#built.exec(where, command, args, options)
  }

  async setNat(side: LabSide, nat: NatKind | NatOptions, { keepFlows = false }: SetNatOptions = {}): Promise<void> {
    this.#check(side)
    await this.#built.setRouter(side, () => routerPlan(nat), { forget: !keepFlows })
  }

  async blockUdp(side: LabSide, blocked = true): Promise<void> {
    this.#check(side)
    await this.#built.setRouter(side, (router) => ({ ...router, blockUdp: blocked }), { forget: false })
  }

  async setLink(peer: LabSide, up: boolean): Promise<void> {
    this.#check(peer)
    await this.#built.setLink(peer, up)
  }

  async flush({ keepTcpPorts = [] }: FlushOptions = {}): Promise<void> {
    this.#check('pub')
    await this.#built.flush(keepTcpPorts)
  }

  async flows(side: LabSide): Promise<string> {
    this.#check(side)
    return await this.#built.flows(side)
  }

  async startCoturn(options: CoturnOptions = {}): Promise<LabTurnServer> {
    const program = await requirePrograms(['turnserver'], 'coturn')
    const directory = await this.#files()
    const addresses = serverAddresses.ipv4
    const listens = addresses.flatMap((address) => [3478, 3479].map((port) => ({ address, port })))
    const args = coturnArguments(directory, addresses, options)
    const server = await this.#serve('coturn', listens, program.get('turnserver') as string, args)
    return Object.assign(server, {
      stunUrls: addresses.map((address) => `stun:${address}:3478`),
      turnUrl: `turn:${addresses[0]}:3478`,
      username: options.username ?? 'lab',
      credential: options.credential ?? 'secret'
    })
  }

  async startMosquitto({ address = 0, config = [] }: MosquittoOptions = {}): Promise<LabBroker> {
    const program = await requirePrograms(['mosquitto'], 'mosquitto')
    const where = serverAddresses.ipv4[address]
    const file = join(await this.#files(), `mosquitto-${address}.conf`)
    await writeFile(file, mosquittoConfig(where, config))
    const listens = [{ address: where, port: 1883 }]
    const server = await this.#serve('mosquitto', listens, program.get('mosquitto') as string, ['-c', file])
    return Object.assign(server, { url: `mqtt://${where}:1883` })
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#dispose()
    return this.#disposed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose()
  }

  async #dispose(): Promise<void> {
    await Promise.all([...this.#children].map((child) => stopProcess(child, 'SIGTERM')))
    await this.#built.remove()
    if (this.#directory !== undefined) await rm(await this.#directory, { recursive: true, force: true })
  }

  async #serve(name: string, listens: readonly ListenAddress[], program: string, args: readonly string[]): Promise<ServerProcess> {
    const cwd = await this.#files()
    const server = new ServerProcess(name, listens, () => this.run('srv', program, args, { cwd }))
    try {
      await server.restart()
    } catch (error) {
      await server.kill()
      throw error
    }
    return server
  }

  #files(): Promise<string> {
    this.#directory ??= mkdtemp(join(tmpdir(), 'kithmesh-natlab-'))
    return this.#directory
  }

  #check(where: LabHost): void {
    if (this.#disposed !== undefined) throw natlabErrors.create('ERR_NATLAB_DISPOSED', 'The NAT lab was disposed')
    if (!this.hosts.includes(where)) throw new TypeError(`this lab has no ${where}; there are ${this.hosts.join(', ')}`)
  }
}
