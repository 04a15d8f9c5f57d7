import type { Duplex } from 'node:stream'
import type { Clock, Logger } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { GattTunnel } from '../gatt/tunnel.ts'

/** Of a notification at least (ATT_MTU 23). */
const MIN_VALUE_BYTES = 20

/** One central's stream characteristic, subscribed to: notifications one way, writes without response the other. */
export interface StreamLineEnd {
  readonly id: string | undefined
  /** Bytes of the largest notification. */
  readonly maxBytes: number
  /** Sends a notification, and does not throw. @returns false when it wants no more until {@link StreamLine.ready} */
  send(value: Buffer): boolean
  /** The central broke the rules: nothing more is exchanged with it. */
  fail(): void
}

/** What becomes of what the central writes. */
export interface StreamLine {
  received(value: Buffer): void
  /** More may be sent again. */
  ready(): void
  /** The central has unsubscribed, or its link is gone. */
  closed(): void
}

export type OpenStreamLine = (end: StreamLineEnd) => StreamLine

export interface StreamLinesOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Whether streams are taken at the moment. */
  readonly accepts: () => boolean
  /** A central opened a stream. */
  readonly accepted: (stream: Duplex, id: string | undefined) => void
}

/** Streams through the stream characteristic (ble.md §4), for each central that subscribes to it. */
export function streamLines({ clock, logger, accepts, accepted }: StreamLinesOptions): OpenStreamLine {
  return ({ id, maxBytes, send, fail }) => {
    const onStream = (stream: Duplex): void => {
      accepted(stream, id)
    }
    const tunnel = new GattTunnel({
      clock,
      logger,
      line: {
        maxBytes: Math.max(MIN_VALUE_BYTES, maxBytes),
        send,
        fail: (error) => {
          logger.debug('A central broke the rules of the stream characteristic', { id, error })
          fail()
        }
      },
      get onStream() {
        return accepts() ? onStream : undefined
      }
    })
    return {
      received: (value) => {
        tunnel.receive(value)
      },
      ready: () => {
        tunnel.ready()
      },
      closed: () => {
        tunnel.closed(bleErrors.create('ERR_BLE_LINK_LOST', 'The device has left'))
      }
    }
  }
}
