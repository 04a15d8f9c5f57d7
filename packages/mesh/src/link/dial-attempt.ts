import { type KithmeshError, isKithmeshError } from '@kithmesh/core/plugin'
import { connectError, proposedProtocols } from '@kithmesh/replicator'
import type { ConnectorDialOptions, MeshConnection } from '../engine/contracts.ts'
import { meshErrors } from '../errors.ts'
import type { LinkEnvironment } from './link-environment.ts'

/**
 * For a connection as a whole. Its phases have deadlines of their own, whose errors say more: 20 s for the race of routes, 10 s for TLS and 15 s for
 * the upgrade to WebSocket. This one must not come first.
 */
const connectTimeoutMs = 50_000

export interface DialAttemptEvents {
  opened(connection: MeshConnection): void
  failed(error: KithmeshError): void
}

/** One attempt at a connection with a device, bounded in time. After `cancel` nothing is reported, and what opens all the same is closed. */
export class DialAttempt {
  readonly #environment: LinkEnvironment
  readonly #deviceId: string
  readonly #displayName: string
  readonly #events: DialAttemptEvents
  readonly #life = new AbortController()
  #cancelDeadline: () => void = () => {}

  constructor(environment: LinkEnvironment, deviceId: string, displayName: string, events: DialAttemptEvents) {
    this.#environment = environment
    this.#deviceId = deviceId
    this.#displayName = displayName
    this.#events = events
  }

  start(): void {
    const { clock } = this.#environment
    const { signal } = this.#life
    this.#cancelDeadline = clock.after(connectTimeoutMs, () => {
      // A connector that does not heed the signal is not waited for.
      const error = meshErrors.create(
        'ERR_MESH_DIAL_TIMEOUT',
        `Connecting to ${this.#displayName} did not finish within ${connectTimeoutMs} ms`
      )
      this.#life.abort(error)
      this.#events.failed(error)
    })
    DialAttempt.open(this.#environment, this.#deviceId, this.#displayName, { signal }).then(
      (connection) => {
        this.#cancelDeadline()
        if (signal.aborted) connection.blip.close(1000, 'no longer wanted')
        else this.#events.opened(connection)
      },
      (cause: unknown) => {
        this.#cancelDeadline()
        if (!signal.aborted) this.#events.failed(this.#failure(cause))
      }
    )
  }

  /** The error that says most. */
  #failure(cause: unknown): KithmeshError {
    const error = connectError(this.#displayName, cause, this.#environment.database.versioning)
    return isKithmeshError(error, 'ERR_REPL_CONNECT') && isKithmeshError(error.cause) ? error.cause : error
  }

  cancel(): void {
    this.#cancelDeadline()
    this.#life.abort(new DOMException('No connection is wanted any more', 'AbortError'))
  }

  static open(
    { dial, database, directions }: LinkEnvironment,
    deviceId: string,
    displayName: string,
    options: Omit<ConnectorDialOptions, 'protocols'>
  ): Promise<MeshConnection> {
    return dial(deviceId, displayName, { ...options, protocols: proposedProtocols(database, directions) })
  }
}
