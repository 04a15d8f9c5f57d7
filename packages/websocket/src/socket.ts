import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/**
 * Whether a stream is a socket of the system, with TLS or without: it has copied or encrypted what it reports as written. Other streams may
 * hand the bytes on as they are.
 */
export function isSystemSocket(stream: Duplex | undefined): boolean {
  return stream instanceof Socket
}
