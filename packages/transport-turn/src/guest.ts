import type { Duplex } from 'node:stream'
import { addressKind, type Clock, limitedSignal, type Logger, staggered } from '@kithmesh/core/plugin'
import { openDatagramStream, type DatagramPath } from '@kithmesh/datagram-stream'
import { addressFamily, formatTransportAddress, openStunUdp, type StunUdp, type TransportAddress } from '@kithmesh/stun'
import type { Allocated } from './allocate.ts'
import { dialRelay } from './dial.ts'
import { turnErrors } from './errors.ts'
import { exchangeHello } from './hello.ts'
import { IDLE_TIMEOUT_MS, KEEP_ALIVE_MS, MEET_MS } from './limits.ts'
import type { Relay, RelayKind } from './offer.ts'
import { reflexiveOverTcp, reflexiveOverUdp } from './reflexive.ts'
import { relayedPath } from './relayed-path.ts'
import { keepRelay, RelayedStream } from './relayed-stream.ts'

/** How long the plain way to a relay is tried before a relay of our own is asked for, too. */
const OWN_RELAY_AFTER_MS = 1_500
const HELLO_MS = 5_000

export interface GuestOptions {
  readonly relay: Relay
  readonly secret: Uint8Array
  /** Who called `attempt`. */
  readonly role: 'initiator' | 'responder'
  /** Why the relay may not be dialled from here; undefined when it may. */
  readonly refused: string | undefined
  /** Addresses that the host has let through already. */
  readonly known: readonly string[]
  /** Tells the host of an address that this device comes from. */
  readonly tell: (address: string) => Promise<void>
  /** Asks for a relay of this kind of our own; undefined when there is no server. */
  readonly allocate: ((kind: RelayKind, signal: AbortSignal) => Promise<Allocated>) | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly progress: (phase: string, address?: string) => void
}

/**
 * Goes to the relay of the other device: plainly, which works from behind any NAT, and when that does not help from a relay of our own.
 * @throws ERR_TURN_CONNECT, ERR_TURN_NOT_ALLOWED, or the signal's reason
 */
export async function goToRelay(options: GuestOptions): Promise<Duplex> {
  const { relay, refused, allocate, clock, signal } = options
  const where = formatTransportAddress(relay.address)
  const late = (): Error =>
    turnErrors.create('ERR_TURN_CONNECT', `Nobody answered at the relay ${where} within ${MEET_MS} ms`, { details: { relay: where } })
  const limit = limitedSignal(clock, MEET_MS, late, signal)
  const plainly = async (unwanted: AbortSignal): Promise<Duplex> => {
    if (refused !== undefined) throw turnErrors.create('ERR_TURN_NOT_ALLOWED', `The relay ${where} may not be dialled: ${refused}`)
    return relay.kind === 'tcp' ? await overTcp(options, unwanted) : await overUdp(options, unwanted)
  }
  const fromOwn = async (unwanted: AbortSignal): Promise<Duplex> =>
    await fromOwnRelay(options, await allocate!(relay.kind, unwanted), unwanted)
  const ways = allocate === undefined || (refused !== undefined && isOfSomeNetwork(relay.address.address)) ? [plainly] : [plainly, fromOwn]
  let failure: unknown
  try {
    return await staggered(
      ways.map((way) => async (unwanted: AbortSignal) => {
        try {
          return await way(AbortSignal.any([limit.signal, unwanted]))
        } catch (error) {
          failure ??= error
          throw error
        }
      }),
      {
        clock,
        signal,
        staggerMs: OWN_RELAY_AFTER_MS,
        discard: (late) => {
          late.destroy()
        }
      }
    )
  } catch (error) {
    signal.throwIfAborted()
    throw failure ?? error
  } finally {
    limit.release()
  }
}

/**
 * Whether an address means one machine here and another one there. Our server has a network of its own, and nobody is to reach into it with our
 * login by naming such an address; loopback is the server's own affair, and servers refuse it.
 */
function isOfSomeNetwork(address: string): boolean {
  const kind = addressKind(address)?.kind
  return kind !== 'global' && kind !== 'loopback'
}

async function overTcp(options: GuestOptions, signal: AbortSignal): Promise<Duplex> {
  const { relay, secret, clock, progress } = options
  if (relay.stun !== undefined) tellFresh(options, reflexiveOverTcp(relay.stun, clock, signal))
  return await dialRelay({ address: relay.address, secret, clock, signal, progress })
}

async function overUdp(options: GuestOptions, signal: AbortSignal): Promise<Duplex> {
  const { relay, secret, role, clock, progress } = options
  const where = formatTransportAddress(relay.address)
  progress('connect', where)
  const socket = await openStunUdp({ family: addressFamily(relay.address.address) ?? 4, clock })
  if (relay.stun !== undefined) tellFresh(options, reflexiveOverUdp(socket, relay.stun, signal))
  const stream = await openDatagramStream({
    path: socketPath(socket, relay.address),
    secret,
    role,
    signal,
    clock,
    openTimeoutMs: MEET_MS,
    keepAliveMs: KEEP_ALIVE_MS,
    idleTimeoutMs: IDLE_TIMEOUT_MS
  })
  progress('verify', where)
  return stream
}

/** Lets the host know where this device comes from, once that is found out and unless it has let the address through already. */
function tellFresh({ known, tell }: GuestOptions, found: Promise<string | undefined>): void {
  void found.then((address) => {
    if (address !== undefined && !known.includes(address)) tell(address).catch(() => {})
  })
}

/** From relay to relay: for networks that let nothing out but what goes to a known server. */
async function fromOwnRelay(options: GuestOptions, allocated: Allocated, signal: AbortSignal): Promise<Duplex> {
  const { relay, secret, role, tell, clock, progress } = options
  try {
    progress('connect', `${formatTransportAddress(relay.address)} from ${formatTransportAddress(allocated.relay.address)}`)
    await tell(allocated.relay.address.address)
    if (allocated.kind === 'tcp') {
      const stream = await allocated.allocation.connect(relay.address, { signal })
      await exchangeHello(stream, { secret, side: 'guest', clock, deadlineMs: HELLO_MS, signal })
      const relayed = new RelayedStream(stream, 'guest', clock)
      keepRelay(stream, relayed, allocated)
      return relayed
    }
    await allocated.allocation.permit(relay.address.address, { signal })
    return await openDatagramStream({
      path: relayedPath(allocated.allocation, relay.address, () => void allocated.close()),
      secret,
      role,
      signal,
      clock,
      openTimeoutMs: MEET_MS,
      keepAliveMs: KEEP_ALIVE_MS,
      idleTimeoutMs: IDLE_TIMEOUT_MS
    })
  } catch (error) {
    await allocated.close()
    throw error
  }
}

/** Datagrams between a socket of ours and the relay. */
function socketPath(socket: StunUdp, relay: TransportAddress): DatagramPath {
  let unsubscribe = (): void => {}
  return {
    open(handlers) {
      unsubscribe = socket.onDatagram((datagram, from) => {
        if (from.port === relay.port && from.address === relay.address) handlers.datagram(datagram)
      })
      void socket.ended.then((error) => {
        handlers.closed(error ?? new Error('The UDP socket was closed'))
      })
    },
    send(datagram) {
      socket.send(datagram, relay)
    },
    close() {
      unsubscribe()
      void socket.close()
    }
  }
}
