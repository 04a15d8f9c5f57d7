import { KithmeshError, errorCode, isKithmeshError } from '@kithmesh/core/plugin'
import type { ByteSocket, ByteSocketFactory, Clock } from '@kithmesh/core/plugin'
import { bleErrors } from '../errors.ts'
import { parseDeviceUrl, scheme } from './device-url.ts'
import { deadline } from './deadline.ts'
import type { OpenStreams } from './open-streams.ts'
import type { SharedBackend } from './shared-backend.ts'

/** For opening a stream; what is below has shorter deadlines. */
const openMs = 30_000

export interface DeviceSocketsOptions {
  readonly shared: SharedBackend
  readonly streams: OpenStreams
  readonly clock: Clock
  /** A stream to a device is being opened, until the returned function is called. */
  readonly opening: (id: string) => () => void
  /** A device refused a stream: what is known of it may be out of date. */
  readonly refused: (id: string) => void
}

/**
 * Opens `l2cap:` URLs while Bluetooth is on.
 * `open` throws ERR_BLE_URL, ERR_BLE_SHUT_DOWN while Bluetooth is not on, ERR_BLE_TIMEOUT, whatever `BleCentral.openStream` throws, and the
 * signal's reason.
 */
export function deviceSockets(options: DeviceSocketsOptions): ByteSocketFactory {
  return { framing: 'bytes', schemes: [scheme], open: (url, { signal }) => open(options, url, signal) }
}

async function open(
  { shared, streams, clock, opening, refused }: DeviceSocketsOptions,
  url: string,
  signal: AbortSignal
): Promise<ByteSocket> {
  signal.throwIfAborted()
  const { id, psm } = parseDeviceUrl(url)
  if (!shared.running) throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth is not started: neither browsing nor publishing')
  const limit = deadline(clock, openMs, `Opening ${url}`, signal, shared.signal)
  const opened = opening(id)
  try {
    const stream = await shared.backend.central.openStream(id, psm, { signal: limit.signal })
    if (limit.signal.aborted) {
      stream.on('error', () => {})
      stream.destroy()
      limit.signal.throwIfAborted()
    }
    streams.add(stream, id)
    return stream
  } catch (error) {
    if (limit.signal.aborted) throw limit.signal.reason as Error
    if (errorCode(error) === 'ERR_BLE_CHANNEL_REFUSED' || errorCode(error) === 'ERR_BLE_NO_STREAM') refused(id)
    throw notOpened(url, error)
  } finally {
    limit.release()
    opened()
  }
}

/** Says what failed, and keeps code and hint of why. */
function notOpened(url: string, error: unknown): unknown {
  if (!isKithmeshError(error)) return bleErrors.create('ERR_BLE_CONNECT', `Cannot open ${url}`, { cause: error })
  const { code, hint, details, message } = error
  return new KithmeshError(code, `Cannot open ${url}: ${message}`, { cause: error, hint, details })
}
