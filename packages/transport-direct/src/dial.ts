import { lookup } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import { errorCode, systemClock, type Clock } from '@kithmesh/core'
import { formatHostPort } from '@kithmesh/core/plugin'
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
 * ERR_DIRECT_INTERFACE or the signal's reason.
 */
export async function dial(options: DialOptions): Promise<Socket> {
  const { host, port, signal, deadlineMs = 15_000, staggerMs = 250, networkInterface, clock = systemClock, progress } = options
  signal?.throwIfAborted()
  const running = new Map<string, Socket>()
  const attempts = new Map<string, string | undefined>()
  const errors: Error[] = []
  let cancelDeadline = (): void => {}
  let cancelStagger = (): void => {}
  let onAbort = (): void => {}
  let settled = false
  try {
    return await new Promise<Socket>((resolve, reject) => {
      onAbort = () => {
        reject(signal?.reason as Error)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      const report = (): DialAttempt[] => [...attempts].map(([address, code]) => ({ address, code }))
      cancelDeadline = clock.after(deadlineMs, () => {
        reject(
          directErrors.create('ERR_DIRECT_TIMEOUT', `${formatHostPort(host, port)} did not answer within ${deadlineMs} ms`, {
            details: { attempts: report() }
          })
        )
      })
      const begin = (queue: Partial<Route>[]): void => {
        cancelStagger()
        if (settled) return
        const { address, localAddress } = queue.shift() ?? {}
        if (address === undefined) {
          if (running.size === 0) {
            if (networkInterface !== undefined && errors.length > 0 && errors.every(isBindError)) {
              reject(
                directErrors.create('ERR_DIRECT_INTERFACE', `No connection can come from ${networkInterface}: ${errors[0]!.message}`, {
                  cause: errors[0],
                  details: { networkInterface }
                })
              )
              return
            }
            reject(
              directErrors.create(
                'ERR_DIRECT_DIAL',
                `Cannot connect to ${formatHostPort(host, port)}: ${report()
                  .map((one) => `${one.address} ${one.code}`)
                  .join(', ')}`,
                {
                  cause: new AggregateError(errors, 'every address failed'),
                  details: { attempts: report() }
                }
              )
            )
          }
          return
        }
        const name = formatHostPort(address, port)
        progress?.('dial', name)
        const socket = connect({
          host: address,
          port,
          noDelay: true,
          autoSelectFamily: false,
          ...(localAddress !== undefined && { localAddress })
        })
        running.set(name, socket)
        attempts.set(name, undefined)
        const onError = (error: Error): void => {
          running.delete(name)
          attempts.set(name, errorCode(error) ?? 'ERROR')
          errors.push(error)
          begin(queue)
        }
        socket.once('error', onError)
        socket.once('connect', () => {
          if (settled) return
          socket.removeListener('error', onError)
          running.delete(name)
          settled = true
          resolve(socket)
        })
        if (queue.length > 0)
          cancelStagger = clock.after(staggerMs, () => {
            begin(queue)
          })
      }
      const resolved = resolveHost(options).then((addresses) => {
        const ordered = orderAddresses(allowed(options, addresses))
        begin(networkInterface === undefined ? ordered.map((address) => ({ address })) : [...routesFrom(networkInterface, ordered)])
      })
      resolved.catch(reject)
    })
  } finally {
    settled = true
    cancelDeadline()
    cancelStagger()
    signal?.removeEventListener('abort', onAbort)
    for (const socket of running.values()) {
      socket.removeAllListeners('error')
      socket.on('error', () => {})
      socket.destroy()
    }
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
