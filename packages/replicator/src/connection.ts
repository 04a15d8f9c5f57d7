import type { Clock, Logger, MessageSocket } from '@kithmesh/core'
import type { BufferBudget } from './blip/buffer-budget.ts'
import { createBlipConnection } from './blip/connection.ts'
import type { BlipPeer } from './blip/contracts.ts'
import type { Scheduler } from './protocol/context.ts'
import type { ReplicationSession } from './protocol/session.ts'

/** Settings of the wire that both ends of a replication have. */
export interface WireOptions {
  /** zlib level, 1 to 9; 0 sends nothing compressed. @default 6 */
  readonly compressionLevel?: number
  /** Messages shorter than this go uncompressed. */
  readonly compressFromBytes?: number
  /** Size of a document's JSON, bytes. @default 20 MiB */
  readonly maxDocumentBytes?: number
}

export const eventLoop: Scheduler = {
  soon: (run) => {
    setImmediate(run)
  }
}

const TICK_MS = 1000
const OVERHEAD_BYTES = 1024 * 1024

/** Starts BLIP on an open socket. */
export function blipOver(socket: MessageSocket, options: WireOptions & { readonly bufferBudget?: BufferBudget }, logger: Logger): BlipPeer {
  return createBlipConnection(socket, {
    logger,
    // Above the limit for documents, so that one that is too large gets its own error instead of ending as a broken message.
    ...(options.maxDocumentBytes !== undefined && { maxBodyBytes: options.maxDocumentBytes + OVERHEAD_BYTES }),
    ...(options.bufferBudget !== undefined && { bufferBudget: options.bufferBudget }),
    ...(options.compressionLevel !== undefined && { compressionLevel: options.compressionLevel }),
    ...(options.compressFromBytes !== undefined && { compressFromBytes: options.compressFromBytes })
  })
}

/** Gives a session its sense of time; the returned function ends it. */
export function tickEvery(clock: Clock, session: ReplicationSession): () => void {
  session.tick(clock.now())
  return clock.every(TICK_MS, () => {
    session.tick(clock.now())
  })
}
