import { type Clock, type Logger, type MessageSocket, checkInteger, checkPositive } from '@kithmesh/core/plugin'
import type { BufferBudget, OpenBlipConnection } from '@kithmesh/blip'
import { createBlipConnection } from '@kithmesh/blip'
import type { Scheduler } from './protocol/context.ts'
import type { ReplicationSession } from './protocol/session.ts'

/** Settings of the wire that both ends of a replication have. */
export interface WireOptions {
  /** zlib level, 1 to 9; 0 sends nothing compressed. Of no effect over an {@link OpenBlipConnection}, which has its own. @default 6 */
  readonly compressionLevel?: number
  /** Messages shorter than this go uncompressed. Of no effect over an {@link OpenBlipConnection}, which has its own. */
  readonly compressFromBytes?: number
  /**
   * Size of a document's JSON, bytes. An {@link OpenBlipConnection} may have a lower limit of its own, `maxBodyBytes`: give it some more
   * than this. @default 20 MiB
   */
  readonly maxDocumentBytes?: number
}

/** @throws TypeError for settings that make no sense: where they are given, not when the first connection is there. */
export function checkWireOptions({ compressionLevel = 6, compressFromBytes = 0, maxDocumentBytes }: WireOptions): void {
  checkInteger('compressionLevel', compressionLevel, 0, 9)
  if (!(compressFromBytes >= 0)) throw new TypeError(`compressFromBytes must not be negative, but is ${compressFromBytes}`)
  checkPositive({ maxDocumentBytes }, 'maxDocumentBytes')
}

/** What a replication runs over: a socket, which it takes over, or BLIP that is open already and may be shared. */
export type ReplicationConnection = MessageSocket | OpenBlipConnection

export const eventLoop: Scheduler = {
  soon: (run) => {
    setImmediate(run)
  }
}

const TICK_MS = 1000
const OVERHEAD_BYTES = 1024 * 1024

/** Starts BLIP on an open socket, unless it is running. */
export function blipOver(
  connection: ReplicationConnection,
  options: WireOptions & { readonly bufferBudget?: BufferBudget },
  logger: Logger
): OpenBlipConnection {
  if ('blip' in connection) return connection
  const { protocol, description } = connection
  const blip = createBlipConnection(connection, {
    logger,
    // Above the limit for documents, so that one that is too large gets its own error instead of ending as a broken message.
    ...(options.maxDocumentBytes !== undefined && { maxBodyBytes: options.maxDocumentBytes + OVERHEAD_BYTES }),
    ...(options.bufferBudget !== undefined && { bufferBudget: options.bufferBudget }),
    ...(options.compressionLevel !== undefined && { compressionLevel: options.compressionLevel }),
    ...(options.compressFromBytes !== undefined && { compressFromBytes: options.compressFromBytes })
  })
  return { blip, protocol, description }
}

/** Ends a connection over which nothing was begun. */
export function closeUnused(connection: ReplicationConnection, code: number, reason?: string): void {
  if ('blip' in connection) connection.blip.close(code, reason)
  else connection.close(code, reason)
}

/** Gives a session its sense of time; the returned function ends it. */
export function tickEvery(clock: Clock, session: ReplicationSession): () => void {
  session.tick(clock.now())
  return clock.every(TICK_MS, () => {
    session.tick(clock.now())
  })
}
