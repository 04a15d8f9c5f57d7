import { type ActiveConnection, type KithmeshError, ListState, type Logger, type ObservableList, type TrustLevel } from '@kithmesh/core'

/** A connection as it is entered; `end` cuts it. */
export interface LiveConnection extends Omit<ActiveConnection, 'level'> {
  end(error: KithmeshError): void
}

export interface LiveConnectionsOptions {
  /** The level of a connected peer now. */
  readonly levelOf: (peerId: string) => TrustLevel
  readonly logger: Logger
}

/** The connections of a mesh, from TLS to their end, whatever routes they came by. */
export class LiveConnections {
  readonly #connections = new Set<LiveConnection>()
  readonly #list: ListState<ActiveConnection>

  constructor({ levelOf, logger }: LiveConnectionsOptions) {
    this.#list = new ListState(
      () => [...this.#connections].map(({ end: _, ...connection }) => Object.freeze({ ...connection, level: levelOf(connection.peerId) })),
      logger
    )
  }

  get list(): ObservableList<ActiveConnection> {
    return this.#list
  }

  /** Keeps a connection until its stream closes. */
  add(connection: LiveConnection, stream: { once(event: 'close', listener: () => void): unknown }): void {
    this.#connections.add(connection)
    stream.once('close', () => {
      this.#connections.delete(connection)
      this.#list.changed()
    })
    this.#list.changed()
  }

  /** To be called when levels may have changed. */
  changed(): void {
    this.#list.changed()
  }

  /** Ends those that are no longer welcome. @param refusal why, see `Admission.refusal` */
  endRefused(refusal: (peerId: string, address: string | null) => KithmeshError | undefined): void {
    for (const connection of [...this.#connections]) {
      const error = refusal(connection.peerId, connection.address)
      if (error !== undefined) connection.end(error)
    }
  }
}
