import type { Clock, Logger } from '@kithmesh/core'
import type { RelayLimits } from './limits.ts'

/** Who may use the relay: its broker with the password itself, TURN with keys made of it. */
export interface RelayUser {
  /** 1 to 128 characters, no colon and no control characters. */
  readonly username: string
  /** 8 to 256 characters, no control characters. */
  readonly password: string
}

/** An address of this machine, and the one that others know it by where a router in between translates one to one. */
export interface RelayHost {
  /** An IP literal to listen on. */
  readonly address: string
  /** What devices are told; default: the address itself. */
  readonly publicAddress?: string
}

/** Ports of relayed traffic, both included. */
export interface PortSpan {
  readonly first: number
  readonly last: number
}

/** Certificate chain and private key, PEM. */
export interface RelayTls {
  readonly cert: string | Uint8Array
  readonly key: string | Uint8Array
}

/** What {@link createRelay} is told. Port 0 means any free one. */
export interface RelayOptions {
  /**
   * Where to listen: one address, or several. Two of one family let devices find out all about their NATs (RFC 5780); with one, NATs that pick
   * a port for each destination are told from the others, and nothing more.
   */
  readonly host: string | RelayHost | readonly (string | RelayHost)[]
  /** At least one; there is no access without a login, but for STUN. */
  readonly users: readonly RelayUser[]
  /** Of the broker. Default 8883 with `tls`, 1883 without. */
  readonly mqttPort?: number
  /** Of STUN and TURN, over UDP and TCP. Default 3478. */
  readonly stunPort?: number
  /** The second port of STUN, over UDP and TCP. Default 3479. */
  readonly alternateStunPort?: number
  /** Of TURN over TLS, with `tls` only. Default 5349. */
  readonly turnsPort?: number
  /** Of relays. Default 49152 to 65535. */
  readonly relayPorts?: PortSpan
  /** Default `kithmesh`. */
  readonly realm?: string
  /** With it, the broker speaks TLS only, and TURN is offered over TLS, too. */
  readonly tls?: RelayTls
  /** The first part of all topics on the broker, as in `mqtt({ topicPrefix })`. Default `kithmesh`. */
  readonly topicPrefix?: string
  /**
   * Ranges, `192.168.1.0/24` or single addresses, that may be relayed to although they are private, loopback, or this machine's. Ports of the
   * relay itself never are.
   */
  readonly allowPeers?: readonly string[]
  readonly limits?: Partial<RelayLimits>
  readonly clock?: Clock
  readonly logger?: Logger
}

/** How to reach a relay that runs, as `kithmesh sync` and the plugins take it. */
export interface RelayUrls {
  /** `mqtt://192.0.2.1:1883`, for each host; without login. */
  readonly brokers: readonly string[]
  /** `stun:192.0.2.1:3478`, for each host and port. */
  readonly stun: readonly string[]
  /** `turn:192.0.2.1:3478`, for each host; with `tls` also `turns:192.0.2.1:5349`. */
  readonly turn: readonly string[]
}

/** What a relay does at the moment, and did since it was started. */
export interface RelayStatus {
  readonly broker: {
    /** Connected and logged in. */
    readonly clients: number
    /** Messages kept for those who come later. */
    readonly retained: number
    /** Messages that were taken. */
    readonly messages: number
    /** Clients that were refused or cut off: wrong passwords, foreign topics, too much. */
    readonly refused: number
  }
  readonly stun: {
    /** Binding requests answered. */
    readonly answers: number
    /** Requests left unanswered because one address sent too many. */
    readonly dropped: number
  }
  readonly turn: {
    readonly allocations: number
    /** Relayed TCP connections. */
    readonly connections: number
    /** Payload, both directions together. */
    readonly relayedBytes: number
    /** Requests refused, by STUN error code; 401 counts only those that named a login. */
    readonly refused: Readonly<Record<number, number>>
  }
}

/** A broker, a STUN server and a TURN server. Start and stop are idempotent, and it can be started again. */
export interface Relay extends AsyncDisposable {
  /**
   * Resolves when everything listens.
   * @throws ERR_RELAY_LISTEN, ERR_RELAY_TLS
   */
  start(): Promise<void>
  /** Ends all connections and allocations. */
  stop(): Promise<void>
  /** @throws TypeError while it does not run */
  readonly urls: RelayUrls
  readonly status: RelayStatus
  /**
   * Replaces all users. Clients of those who are gone, or have another password, are cut off; their allocations end.
   * @throws TypeError for names or passwords that cannot be used
   */
  setUsers(users: readonly RelayUser[]): void
}
