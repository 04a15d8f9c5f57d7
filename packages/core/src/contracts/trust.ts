import type { RouteQuality } from './transport.ts'

/**
 * What a peer may do. `blocked`: no connection is made or kept. `restricted`: only what {@link IncomingTrustPolicy} lets peers do of whom
 * nothing is proven; no documents. `trusted`: everything.
 */
export type TrustLevel = 'blocked' | 'restricted' | 'trusted'

/** What peers may send that are not trusted (p2pnet.md §4.1). Trusted ones may send everything. */
export interface IncomingTrustPolicy {
  /** Plain messages and the word that they disconnect. @default true */
  readonly allowDefaultCommunication?: boolean
  /** Identity, peer groups and data. It makes nobody trusted, and lets nobody replicate. @default false */
  readonly allowEnhancedPacketExchange?: boolean
  /** Lets the trust protocols decide when a channel opens. Without it, peers stay as they are until the program elevates them. @default true */
  readonly runDefaultTrustProtocol?: boolean
}

/** The kinds of packets of a peer channel. */
export type PacketKind = 'message' | 'disconnect' | 'identity' | 'peer-group' | 'data'

/** One connection to a peer, as far as a trust protocol needs it: messages in order, each arriving once and whole. */
export interface TrustExchange {
  /** The initiator is the TLS client. */
  readonly role: 'initiator' | 'responder'
  /** Proven by TLS, as is `remotePeerId`: 64 lowercase hex digits. */
  readonly localPeerId: string
  readonly remotePeerId: string
  /** 32 bytes that both ends share and no other connection has (the TLS exporter, RFC 8446 §7.5): what is proven with them cannot be replayed or relayed. */
  readonly binding: Uint8Array
  /** Aborts when the connection ends, the time is over or nobody wants the verdict any more. */
  readonly signal: AbortSignal
  /** Never waits. Does nothing when the connection has ended. */
  send(message: Uint8Array): void
  /** The peer's next message. Rejects with the signal's reason; bounded by the channel in size and number. */
  receive(): Promise<Uint8Array>
}

/** What a trust protocol found. */
export type TrustVerdict =
  | {
      readonly trusted: true
      /** Whether the peer is to be trusted next time without being asked again, and is entered in the known peers. @default false */
      readonly remember?: boolean
    }
  | {
      readonly trusted: false
      /** For people and logs; the peer is not told. */
      readonly reason: string
    }

/** How two peers come to trust each other beyond their certificates. Both ends run the one that both know and both prefer. */
export interface TrustProtocol {
  /** On the wire, with a version: `group-key/1`. */
  readonly name: string
  /** Milliseconds until a verdict is needed. @default 30000 */
  readonly timeLimitMs?: number
  /** Speaks with the peer until it is clear whether to trust it. Rejecting counts as not trusted. */
  run(exchange: TrustExchange): Promise<TrustVerdict>
}

/** What is remembered of a peer. */
export interface KnownPeer {
  /** 64 lowercase hex digits. */
  readonly peerId: string
  /** What it calls itself, at most 255 characters; proves nothing. */
  readonly name: string
  readonly level: TrustLevel
  /** How that level came about: the name of the trust protocol or authenticator, or e.g. `by hand`. */
  readonly how: string
  /** Wall-clock milliseconds of the first time it was seen. */
  readonly since: number
  readonly lastSeen: number
  /** Where it was seen last, e.g. `192.168.1.4:50312`. */
  readonly lastAddress?: string
}

/** Where known peers survive a restart, e.g. `openKnownPeers(file)` of `@kithmesh/identity`. Calls never overlap. */
export interface KnownPeersStore {
  load(): Promise<readonly KnownPeer[]>
  /** Replaces what is stored, all or nothing. */
  save(peers: readonly KnownPeer[]): Promise<void>
}

/** A list that can be watched. */
export interface ObservableList<T> {
  /** A snapshot; the same array until something changes. */
  readonly current: readonly T[]
  /**
   * Called with the list after each change, in a later microtask, once for changes in a row. A listener that throws disturbs nobody.
   * @returns ends it
   */
  onChange(listener: (current: readonly T[]) => void): () => void
  /**
   * The list as it is now, and then as it is after changes; a slow reader misses states in between and never the last one.
   * @param options.signal ends the iteration without an error
   */
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<readonly T[]>
}

/** Whom a rule is about: who matches everything that is given. At least one of `peerId`, `range` and `group`. */
export interface AccessCriteria {
  /** 64 lowercase hex digits. */
  readonly peerId?: string
  /** An address or a range in CIDR notation, IPv4 or IPv6: `192.168.1.7`, `10.0.0.0/8`, `2001:db8::/32`, `fe80::%eth0/10`. */
  readonly range?: string
  /** A peer group id. */
  readonly group?: string
}

/** One entry of the access lists. */
export interface AccessRule extends AccessCriteria {
  readonly effect: 'allow' | 'block'
  /** For people: why it is there. At most 200 characters. */
  readonly note?: string
}

/** Who asks to come in, or is to be connected to, as far as it is known by now. */
export interface AccessSubject {
  readonly peerId?: string
  /** The IP address, with a zone where it has one; null when there is none, e.g. over a radio. Not given: not known yet. */
  readonly address?: string | null
  readonly group?: string
}

/** A device that wants to come in and has proven its peer id. */
export interface IncomingPeer {
  /** 64 lowercase hex digits, proven by TLS. */
  readonly peerId: string
  /** What it calls itself; proves nothing. */
  readonly name: string
  /** The IP address that it comes from; null over a relay or a radio. */
  readonly address: string | null
  /** For people, e.g. `direct 192.168.1.4:50312`. */
  readonly route: string
}

/** What is to be done with a device that wants to come in; `hold` lets it wait for somebody to decide. */
export type InboundDecision = 'accept' | 'reject' | 'hold'

/** A connection that carries a peer now. */
export interface ActiveConnection {
  readonly peerId: string
  readonly name: string
  readonly level: TrustLevel
  readonly direction: 'incoming' | 'outgoing'
  readonly route: string
  readonly quality: RouteQuality
  /** The IP address of the other side; null where there is none. */
  readonly address: string | null
  /** The peer group id. */
  readonly group: string
  /** Wall-clock milliseconds. */
  readonly since: number
}
