import { ConnectionCount, Lifecycle, addressKind, formatHostPort, ownInterfaces } from '@kithmesh/core/plugin'
import { canonicalAddress } from '@kithmesh/stun'
import { Broker } from './broker/broker.ts'
import type { Relay, RelayOptions, RelayStatus, RelayUrls, RelayUser } from './contracts.ts'
import { StreamListener } from './listener.ts'
import { type CheckedOptions, checkOptions } from './options.ts'
import { PeerPolicy } from './turn/peer-policy.ts'
import { RelayNames } from './turn/relay-names.ts'
import { StunPorts } from './turn/stun-ports.ts'
import { TurnServer } from './turn/turn-server.ts'
import { UserTable } from './users.ts'

/** How long this machine's addresses are believed. */
const INTERFACES_MS = 10_000

const nothing: RelayStatus = {
  broker: { clients: 0, retained: 0, messages: 0, refused: 0 },
  stun: { answers: 0, dropped: 0 },
  turn: { allocations: 0, connections: 0, relayedBytes: 0, refused: {} }
}

/**
 * Makes a relay; nothing is opened before `start`.
 * @throws TypeError for options that cannot work
 */
export function createRelay(options: RelayOptions): Relay {
  return new RelayServer(checkOptions(options))
}

interface Running {
  readonly broker: Broker
  readonly mqtt: StreamListener[]
  readonly turn: TurnServer
  readonly stun: StunPorts
}

class RelayServer implements Relay {
  readonly #options: CheckedOptions
  readonly #users: UserTable
  readonly #lifecycle: Lifecycle
  readonly #undo: (() => Promise<void> | void)[] = []
  #running: Running | undefined
  #own: { readonly addresses: ReadonlySet<string>; readonly until: number } | undefined

  constructor(options: CheckedOptions) {
    this.#options = options
    this.#users = new UserTable(options.realm, options.users)
    this.#lifecycle = new Lifecycle({ start: () => this.#start(), stop: () => this.#stop() })
  }

  get urls(): RelayUrls {
    const { hosts, tls } = this.#options
    if (this.#running === undefined) throw new TypeError('The relay does not run')
    const { mqtt, stun } = this.#running
    const each = (scheme: string, port: number | undefined): string[] =>
      port === undefined ? [] : hosts.map((host) => `${scheme}${formatHostPort(host.public, port)}`)
    return {
      brokers: each(tls === undefined ? 'mqtt://' : 'mqtts://', mqtt[0]?.port),
      stun: stun.ports.flatMap((port) => each('stun:', port)),
      turn: [...each('turn:', stun.ports[0]), ...each('turns:', stun.turnsPort)]
    }
  }

  get status(): RelayStatus {
    return this.#running === undefined ? nothing : { broker: this.#running.broker.status, ...this.#running.turn.status }
  }

  start(): Promise<void> {
    return this.#lifecycle.start()
  }

  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  setUsers(users: readonly RelayUser[]): void {
    const gone = this.#users.replace(users)
    this.#running?.broker.disconnect(gone)
    this.#running?.turn.disconnect(gone)
  }

  async #start(): Promise<void> {
    const { hosts, tls, topics, limits, clock, logger } = this.#options
    // Known from now on, also when clients take every descriptor.
    ownInterfaces()
    const users = this.#users
    const count = new ConnectionCount(limits.connections, limits.connectionsPerAddress)
    const ownPorts = new Set<number>()
    const names = new RelayNames(hosts)
    let turn: TurnServer | undefined
    const policy = new PeerPolicy({
      allowed: this.#options.allowed,
      relays: names.addresses,
      isOwn: (address) => this.#isOwn(address),
      isRelay: (peer) => turn?.isRelay(peer) === true,
      ownPorts
    })
    const broker = new Broker({ users, topics, limits, clock, logger: logger.child('broker') })
    this.#undo.push(() => broker.stop())
    await broker.start()
    const mqtt: StreamListener[] = []
    let port = this.#options.mqttPort
    for (const { bind } of hosts) {
      const listener = await StreamListener.open({
        address: bind,
        port,
        tls,
        count: new ConnectionCount(limits.connections, limits.connectionsPerAddress),
        clock,
        logger: logger.child('broker'),
        onConnection: (socket, from) => {
          broker.accept(socket, from)
        }
      })
      this.#undo.push(() => listener.close())
      mqtt.push(listener)
      port = listener.port
      ownPorts.add(port)
    }
    turn = new TurnServer({ ...this.#options, users, policy, names, logger: logger.child('turn') })
    const server = turn
    this.#undo.push(() => {
      server.stop()
    })
    const stun = await StunPorts.open({
      hosts,
      server,
      ports: this.#options.stunPorts,
      turns: tls === undefined ? undefined : { port: this.#options.turnsPort, tls },
      count,
      limits,
      clock,
      logger: logger.child('turn')
    })
    this.#undo.push(() => stun.close())
    for (const own of [...stun.ports, ...(stun.turnsPort === undefined ? [] : [stun.turnsPort])]) ownPorts.add(own)
    this.#running = { broker, mqtt, turn, stun }
  }

  async #stop(): Promise<void> {
    this.#running = undefined
    const failures: unknown[] = []
    for (const undo of this.#undo.splice(0).reverse()) {
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'Stopping the relay failed in part')
  }

  /** Loopback addresses, all of them, and what the interfaces have. */
  #isOwn(address: string): boolean {
    if (addressKind(address)?.kind === 'loopback') return true
    const now = this.#options.clock.monotonic()
    if (this.#own === undefined || now >= this.#own.until) {
      const addresses = Object.values(ownInterfaces()).flatMap((each) => (each ?? []).map((entry) => canonicalAddress(entry.address)))
      this.#own = { addresses: new Set([...addresses, ...this.#options.hosts.map((host) => host.bind)]), until: now + INTERFACES_MS }
    }
    return this.#own.addresses.has(address)
  }
}
