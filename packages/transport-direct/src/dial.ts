import { lookup } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import { errorCode, systemClock, type Clock } from '@kithmesh/core'
import { checkPositive, formatHostPort, limitedSignal, staggered, unlessAborted, whenOpen } from '@kithmesh/core/plugin'
import { orderAddresses } from './addresses.ts'
import { directErrors } from './errors.ts'
import { routesFrom, type Route } from './network-interface.ts'
import { isAddress } from './target-url.ts'

/** One address that was tried. */
export interface DialAttempt {
  /** `host:port`. */
  readonly address: string
  /** Node's code, e.g. `ECONNREFUSED`; undefined while or because nothing was heard. */
  readonly code: string | undefined
}

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** Known addresses of the host; without any the name is looked up. */
  readonly addresses?: readonly string[]
  readonly signal?: AbortSignal
  /** For everything, name lookup included; default 15,000. */
  readonly deadlineMs?: number
  /** Head start of each address over the next; default 250 (RFC 8305 §5). */
  readonly staggerMs?: number
  /**
   * Name of an interface of this machine, or one of its addresses, that connections come from. Addresses of a family it lacks are not tried.
   * The kernel still chooses the way by its routes: on machines with several, the address alone does not force the packets through the interface.
   */
  readonly networkInterface?: string
  readonly clock?: Clock
  /** Why an address of the host may not be connected to; the others are tried. @default all may */
  readonly refuses?: (address: string) => string | undefined
  /** Called for each address when it is begun. */
  readonly progress?: (phase: 'resolve' | 'dial', address?: string) => void
}

/**
 * Connects to the first of a host's addresses that answers (Happy Eyeballs, RFC 8305): the next one starts when the one before failed or
 * after the stagger, the others are dropped once one is open. Nagle's algorithm is off.
 * @throws ERR_DIRECT_RESOLVE, ERR_DIRECT_POLICY when no address may be connected to, ERR_DIRECT_DIAL (its cause is an AggregateError of Node's errors), ERR_DIRECT_TIMEOUT,
 * ERR_DIRECT_INTERFACE or the signal's reason. TypeError for a deadline that makes no sense.
 */
export async function dial(options: DialOptions): Promise<Socket> {
  const { host, port, signal, deadlineMs = 15_000, staggerMs = 250, networkInterface, clock = systemClock, progress } = options
  checkPositive(options, 'deadlineMs')
  signal?.throwIfAborted()
  const where = formatHostPort(host, port)
  const attempts = new Map<string, string | undefined>()
  const report = (): DialAttempt[] => [...attempts].map(([address, code]) => ({ address, code }))
  const late = (): Error =>
    directErrors.create('ERR_DIRECT_TIMEOUT', `${where} did not answer within ${deadlineMs} ms`, { details: { attempts: report() } })
  const limit = limitedSignal(clock, deadlineMs, late, signal)
  const open = async ({ address, localAddress }: Partial<Route> & { readonly address: string }, unwanted: AbortSignal): Promise<Socket> => {
    const name = formatHostPort(address, port)
    progress?.('dial', name)
    attempts.set(name, undefined)
    try {
      const socket = connect({
        host: address,
        port,
        noDelay: true,
        autoSelectFamily: false,
        ...(localAddress !== undefined && { localAddress })
      })
      return await whenOpen(socket, unwanted)
    } catch (error) {
      attempts.set(name, errorCode(error) ?? 'ERROR')
      throw error
    }
  }
  try {
    const ordered = orderAddresses(allowed(options, await unlessAborted(limit.signal, () => resolveHost(options))))
    const routes = networkInterface === undefined ? ordered.map((address) => ({ address })) : routesFrom(networkInterface, ordered)
    const ways = routes.map((route) => (unwanted: AbortSignal) => open(route, unwanted))
    return await staggered(ways, { clock, signal: limit.signal, staggerMs, discard: (socket) => void socket.destroy() })
  } catch (cause) {
    limit.signal.throwIfAborted()
    if (!(cause instanceof AggregateError)) throw cause
    const [first] = cause.errors as Error[]
    if (networkInterface !== undefined && first !== undefined && cause.errors.every(isBindError))
      throw directErrors.create('ERR_DIRECT_INTERFACE', `No connection can come from ${networkInterface}: ${first.message}`, {
        cause: first,
        details: { networkInterface }
      })
    const said = report().map(({ address, code }) => `${address} ${code}`)
    throw directErrors.create('ERR_DIRECT_DIAL', `Cannot connect to ${where}: ${said.join(', ')}`, {
      cause,
      details: { attempts: report() }
    })
  } finally {
    limit.release()
  }
}

async function resolveHost({ host, addresses = [], progress }: DialOptions): Promise<readonly string[]> {
  if (addresses.length > 0) return addresses
  if (isAddress(host)) return [host]
  progress?.('resolve')
  try {
    return (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address)
  } catch (cause) {
    throw directErrors.create('ERR_DIRECT_RESOLVE', `The host "${host}" has no address`, { cause, details: { host } })
  }
}

/** @throws ERR_DIRECT_POLICY */
function allowed({ host, port, refuses }: DialOptions, addresses: readonly string[]): readonly string[] {
  if (refuses === undefined || addresses.length === 0) return addresses
  const reasons: string[] = []
  const left = addresses.filter((address) => {
    const reason = refuses(address)
    if (reason !== undefined) reasons.push(`${formatHostPort(address, port)}: ${reason}`)
    return reason === undefined
  })
  if (left.length > 0) return left
  throw directErrors.create('ERR_DIRECT_POLICY', `No address of ${host} may be connected to: ${reasons.join('; ')}`, {
    details: { reasons }
  })
}

/** The local address could not be had. */
function isBindError(error: Error): boolean {
  return (error as NodeJS.ErrnoException).syscall === 'bind'
}
