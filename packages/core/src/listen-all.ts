import type { DiscoveryListenOptions, DiscoveryListener } from './contracts/discovery.ts'
import type { Logger } from './contracts/logger.ts'
import type { TransportListener, TransportStrategy } from './contracts/transport.ts'
import type { ClaimTable } from './incoming-claims.ts'
import { coreErrors } from './error-catalogue.ts'
import { allSettledOrThrow } from './internal/disposer.ts'

/**
 * Opens the passive side of every strategy that has one. Some may fail, which is logged; when all do, the one error, or an
 * AggregateError of several, is the cause of ERR_PD_LISTEN_FAILED.
 */
export async function listenAll(
  strategies: readonly TransportStrategy[],
  options: DiscoveryListenOptions,
  { claims, logger }: { readonly claims: ClaimTable; readonly logger: Logger }
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
  const listening = strategies.flatMap((strategy) => (strategy.listen === undefined ? [] : [listen(strategy, { onConnection }, claims)]))
  const results = await Promise.allSettled(listening)
  const listeners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as Error] : []))
  for (const error of errors) logger.warn('a transport does not listen', { error })
  if (listeners.length === 0) {
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

/** A transport that throws at once counts as one that rejects. */
async function listen(
  strategy: TransportStrategy,
  { onConnection }: DiscoveryListenOptions,
  claims: ClaimTable
): Promise<TransportListener> {
  return await (strategy as Required<TransportStrategy>).listen({
    onConnection: (socket, remote) => {
      claims.sort(socket, remote, () => {
        onConnection(socket, remote, strategy.name, strategy.capabilities.relayed)
      })
    }
  })
}
