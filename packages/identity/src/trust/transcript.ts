import { createHash } from 'node:crypto'
import type { TrustExchange } from '@kithmesh/core'

/** Parts one after the other, each behind its length, so that no two lists of parts give the same bytes. */
export function joinParts(...parts: ReadonlyArray<string | Uint8Array>): Buffer {
  const pieces: Uint8Array[] = []
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'utf8') : part
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.length)
    pieces.push(length, bytes)
  }
  return Buffer.concat(pieces)
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

/** The two peers by their roles. */
export function endsOf({ role, localPeerId, remotePeerId }: TrustExchange): { readonly initiator: string; readonly responder: string } {
  return role === 'initiator' ? { initiator: localPeerId, responder: remotePeerId } : { initiator: remotePeerId, responder: localPeerId }
}

/**
 * What every proof of a protocol covers: which protocol, who is who, and the connection. Without all of it a proof could be
 * sent back to its maker, repeated on another connection, or passed on between two of them.
 */
export function contextOf(protocol: string, exchange: TrustExchange): Buffer {
  const { initiator, responder } = endsOf(exchange)
  return joinParts(`kithmesh ${protocol}`, initiator, responder, exchange.binding)
}
