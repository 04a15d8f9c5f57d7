import type { Logger } from '@kithmesh/core'
import type { BufferBudget } from './buffer-budget.ts'
import type { SyncZlibFactory } from './deflate.ts'

/** Settings of a BLIP connection; sizes in bytes. */
export interface BlipConnectionOptions {
  /** zlib level for messages that wish to be compressed, 1 to 9; 0 compresses nothing. Default 6. */
  readonly compressionLevel?: number
  /**
   * Messages with a shorter body go uncompressed whatever they wish. Default 1024: measured at level 6, one core, compressing shorter ones
   * costs more time than sending them at about 25 MB/s, at 1 KiB 33, at 4 KiB 90 MB/s (`npm run bench -- blip`). Slow links gain from less.
   */
  readonly compressFromBytes?: number
  /** Largest frame accepted. Default 1 MiB. */
  readonly maxFrameBytes?: number
  /** Largest body of a request, or of a reply that is not streamed. Default 20 MiB. A larger request is answered `BLIP`/413. */
  readonly maxBodyBytes?: number
  /** Largest body of a reply taken piece by piece. Default 1 GiB. */
  readonly maxStreamedBodyBytes?: number
  /** Requests arriving at once in several frames. Default 512; more is fatal. */
  readonly maxIncomingMessages?: number
  /**
   * Bytes of messages incomplete or waiting for their handler. Acknowledgements are held back from a quarter on, except for one message at
   * a time; more is fatal. Default 128 MiB, or what a largest body beside 512 windows needs: 4/3 of `maxBodyBytes` and 64 MiB together.
   */
  readonly maxBufferedBytes?: number
  /** One more bound on these bytes, for all the connections that share it; whoever holds the most is closed with 4001. Default none. */
  readonly bufferBudget?: BufferBudget
  /** Requests given to handlers whose answer is not yet on its way; more wait, and the socket is paused while nothing is awaited from it. Default 1000. */
  readonly maxConcurrentRequests?: number
  /** Synchronous zlib to use; chosen by a self-test by default. */
  readonly zlib?: SyncZlibFactory
  readonly logger?: Logger
}
