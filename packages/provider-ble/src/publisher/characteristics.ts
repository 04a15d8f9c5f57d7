import type { Logger } from '@kithmesh/core/plugin'
import { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC } from '../gatt/uuids.ts'
import { attResult, type CharacteristicDescription } from '../library/bleno-like.ts'
import type { CentralSession, ReadResult } from './central-session.ts'

/** What a library calls a connected central: a handle or an address; undefined where it serves one at a time. */
export type CentralKey = number | string | undefined

export interface CharacteristicsOptions {
  /** Whether the stream characteristic is offered. */
  readonly stream: boolean
  /** The session of a connected central; undefined when there are too many. */
  readonly session: (key: CentralKey) => CentralSession | undefined
  readonly logger: Logger
}

/**
 * The characteristics of a publication (seed 000, Bluetooth LE; ble.md §4). Whatever a peer writes, nothing is thrown out of their handlers:
 * there it would end the process.
 */
export function characteristics({ stream, session, logger }: CharacteristicsOptions): CharacteristicDescription[] {
  const guard = (key: CentralKey, run: () => void): void => {
    try {
      run()
    } catch (error) {
      logger.debug('A request of a central failed', { central: key, error })
    }
  }
  const reader =
    (read: (central: CentralSession, offset: number) => ReadResult): NonNullable<CharacteristicDescription['onRead']> =>
    (key, offset, reply) => {
      guard(key, () => {
        const central = session(key)
        const { result, data } = central === undefined ? refused : read(central, offset)
        reply(result, data)
      })
    }

  const seed: CharacteristicDescription[] = [
    { uuid: PORT_CHARACTERISTIC, properties: ['read'], onRead: reader((central, offset) => central.readPort(offset)) },
    {
      uuid: METADATA_CHARACTERISTIC,
      properties: ['read', 'notify'],
      onRead: reader((central, offset) => central.readMetadata(offset)),
      onSubscribe: (key, _maxBytes, notify) => {
        guard(key, () => session(key)?.metadataSubscribed(notify))
      },
      onUnsubscribe: (key) => {
        guard(key, () => session(key)?.metadataUnsubscribed())
      }
    }
  ]
  if (!stream) return seed
  return [
    ...seed,
    {
      uuid: STREAM_CHARACTERISTIC,
      properties: ['writeWithoutResponse', 'notify'],
      onSubscribe: (key, maxBytes, notify) => {
        guard(key, () => session(key)?.streamSubscribed(maxBytes, notify))
      },
      onUnsubscribe: (key) => {
        guard(key, () => session(key)?.streamUnsubscribed())
      },
      onWrite: (key, data, _offset, _withoutResponse, reply) => {
        guard(key, () => session(key)?.streamWritten(data))
        guard(key, () => {
          reply(attResult.success)
        })
      }
    }
  ]
}

/** Insufficient resources. */
const refused: ReadResult = { result: 0x11, data: Buffer.alloc(0) }
