import type { DiscoveryListenOptions, DiscoveryListener } from './contracts/discovery.ts'
import type { Logger } from './contracts/logger.ts'
import type { ByteSocket } from './contracts/socket.ts'
import type { TransportListener, TransportStrategy } from './contracts/transport.ts'
import type { ClaimTable } from './incoming-claims.ts'
import { coreErrors } from './errors.ts'
import { allSettledOrThrow } from './internal/disposer.ts'
import type { AccessGuard } from './trust/access-guard.ts'
import { remoteAddress } from './trust/remote-address.ts'

export interface ListenAllParts {
  readonly claims: ClaimTable
  readonly guard: AccessGuard
  readonly logger: Logger
  /** Connections of peers come in through providers, too, so that there need not be a strategy. */
  readonly elsewhere: boolean
}

/**
 * Opens the passive side of every strategy that has one. Some may fail, which is logged; when all do, the one error, or an
 * AggregateError of several, is the cause of ERR_PD_LISTEN_FAILED.
 */
export async function listenAll(
  strategies: readonly TransportStrategy[],
  options: DiscoveryListenOptions,
  { claims, guard, logger, elsewhere }: ListenAllParts
): Promise<DiscoveryListener> {
  let closed = false
  /** What came in before the end and is found to be for the listener after it. */
  const onConnection: DiscoveryListenOptions['onConnection'] = (socket, ...how) => {
    if (closed) {
      socket.destroy()
      return
    }
    try {
      options.onConnection(socket, ...how)
    } catch (error) {
      logger.error('taking over a connection failed', { remote: how[0], error })
      socket.destroy()
    }
  }
  const listening = strategies.flatMap((strategy) =>
    strategy.listen === undefined ? [] : [listen(strategy, { onConnection }, claims, guard)]
  )
  const results = await Promise.allSettled(listening)
  const listeners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  for (const error of errors) logger.warn('a transport does not listen', { error })
  if (listeners.length === 0 && (errors.length > 0 || !elsewhere)) {
    const reason = errors.length === 0 ? 'none of the transports has a passive side' : errors.map(({ message }) => message).join('; ')
    throw coreErrors.create(
      'ERR_PD_LISTEN_FAILED',
      `No transport listens: ${reason}`,
      errors.length === 0 ? {} : { cause: errors.length === 1 ? errors[0] : new AggregateError(errors, reason) }
    )
  }
  return {
    port: listeners.find(({ port }) => port !== undefined)?.port,
    addresses: listeners.flatMap(({ addresses }) => addresses),
    close: () => {
      closed = true
      return allSettledOrThrow(listeners.map((listener) => () => listener.close()))
    }
  }
}

function refuse(socket: ByteSocket): void {
  socket.on('error', () => {})
  socket.destroy()
}

/** A transport that throws at once counts as one that rejects. */
async function listen(
  strategy: TransportStrategy,
  { onConnection }: DiscoveryListenOptions,
  claims: ClaimTable,
  guard: AccessGuard
): Promise<TransportListener> {
  return await (strategy as Required<TransportStrategy>).listen({
    onConnection: (socket, remote) => {
      const { relayed } = strategy.capabilities
      const address = relayed ? null : remoteAddress(remote)
      // Before its first bytes are waited for, so that floods and blocked addresses cost nothing.
      if (!guard.admits(address, remote)) {
        refuse(socket)
        return
      }
      claims.sort(socket, remote, () => {
        if (guard.admits(address, remote, false)) onConnection(socket, remote, strategy.name, relayed ? 'relayed' : 'direct')
        else refuse(socket)
      })
    }
  })
}
