import { type Channel, channel, subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { Clock } from './contracts/clock.ts'
import type {
  ConnectMessage,
  DiagnosticChannelName,
  DiagnosticError,
  DiagnosticMessages,
  DiagnosticSource
} from './contracts/diagnostics.ts'
import type { Logger } from './contracts/logger.ts'
import type { ConnectionReport } from './contracts/report.ts'
import { errorCode, isKithmeshError } from './kithmesh-error.ts'

/** Name of the tracing channel of connection attempts: `tracingChannel(CONNECT_CHANNEL)` of `node:diagnostics_channel`. */
export const CONNECT_CHANNEL = 'kithmesh:connect'

const channels: Readonly<Record<DiagnosticChannelName, Channel>> = {
  'kithmesh:provider.status': channel('kithmesh:provider.status'),
  'kithmesh:device.changed': channel('kithmesh:device.changed'),
  'kithmesh:link.state': channel('kithmesh:link.state'),
  'kithmesh:documents': channel('kithmesh:documents'),
  'kithmesh:conflict': channel('kithmesh:conflict'),
  'kithmesh:trust.refused': channel('kithmesh:trust.refused')
}

const connects = tracingChannel<unknown, ConnectMessage>(CONNECT_CHANNEL)

/** What a message has beside its source. */
export type DiagnosticFacts<Name extends DiagnosticChannelName> = Omit<DiagnosticMessages[Name], keyof DiagnosticSource>

export interface DiagnosticsOptions {
  readonly peerGroupId: string
  readonly localPeerId: string
  readonly clock: Clock
}

/**
 * Publishes what one discovery or mesh has to tell. Nothing is made of it while nobody listens. What subscribers do has no influence on the publisher:
 * Node tells of their exceptions as uncaught ones, later.
 */
export class Diagnostics {
  readonly #options: DiagnosticsOptions

  constructor(options: DiagnosticsOptions) {
    this.#options = options
  }

  /** Somebody listens. */
  wants(name: DiagnosticChannelName): boolean {
    return channels[name].hasSubscribers
  }

  /** @param make is called when somebody listens. */
  publish<Name extends DiagnosticChannelName>(name: Name, make: () => DiagnosticFacts<Name>): void {
    const to = channels[name]
    if (to.hasSubscribers) to.publish(frozen({ ...this.#source(), ...make() }))
  }

  /**
   * Traces one connection attempt, in the order of Node's tracing channels: `start`, `end`, then `error` where it failed, `asyncStart`, `asyncEnd`.
   * @param report is called when it has ended
   */
  async traceConnect<T extends { readonly route: string }>(
    facts: Pick<ConnectMessage, 'deviceId' | 'displayName' | 'betterThan'>,
    report: () => ConnectionReport,
    connect: () => Promise<T>
  ): Promise<T> {
    if (!connects.hasSubscribers) return await connect()
    const context: ConnectMessage = { ...this.#source(), ...facts, report: undefined, route: undefined, error: undefined }
    return await connects.start.runStores(context, async () => {
      const running = connect()
      connects.end.publish(context)
      try {
        const connection = await running
        context.report = report()
        context.route = connection.route
        return connection
      } catch (error) {
        context.report = report()
        context.error = diagnosticError(error)
        connects.error.publish(context)
        throw error
      } finally {
        connects.asyncStart.publish(context)
        connects.asyncEnd.publish(context)
      }
    })
  }

  #source(): DiagnosticSource {
    const { peerGroupId, localPeerId, clock } = this.#options
    return { peerGroupId, localPeerId, at: clock.now() }
  }
}

/** An error as messages tell it: without its stack, its causes and its details. */
export function diagnosticError(error: unknown): DiagnosticError {
  return Object.freeze({
    code: errorCode(error),
    name: error instanceof Error ? error.name : typeof error,
    message: error instanceof Error ? error.message : String(error),
    hint: isKithmeshError(error) && error.hint !== '' ? error.hint : undefined
  })
}

/**
 * Subscribes to a channel, with types, and with a subscriber that may throw: what it throws is logged, where Node would end the process with an uncaught
 * exception. The same as `subscribe` of `node:diagnostics_channel` otherwise.
 *
 * @example
 * const stop = onDiagnostic('kithmesh:link.state', ({ displayName, state, route }) => {
 *   process.stdout.write(`${displayName}: ${state} ${route ?? ''}\n`)
 * })
 *
 * @returns ends it
 */
export function onDiagnostic<Name extends DiagnosticChannelName>(
  name: Name,
  listener: (message: DiagnosticMessages[Name]) => void,
  options: { readonly logger?: Logger } = {}
): () => void {
  if (!Object.hasOwn(channels, name)) throw new TypeError(`There is no channel ${JSON.stringify(name)}`)
  const shielded = (message: unknown): void => {
    try {
      listener(message as DiagnosticMessages[Name])
    } catch (error) {
      options.logger?.error(`a subscriber of ${name} threw`, { error })
    }
  }
  subscribe(name, shielded)
  return () => {
    unsubscribe(name, shielded)
  }
}

/** Freezes plain data, all the way down. Messages are made for their subscribers, so nothing of anybody else's is frozen. */
function frozen<T extends object>(data: T): T {
  for (const value of Object.values(data))
    if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) frozen(value as object)
  return Object.freeze(data)
}
