import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ByteSocketFactory } from '@kithmesh/core'
import { memoryErrors } from './errors.ts'
import type { MemoryMedium } from './medium.ts'

/** Host and port of a `memory:` URL. @throws ERR_MEMORY_URL */
function parseMemoryUrl(url: string): { readonly host: string; readonly port: number } {
  const match = /^memory:\/\/([^/:]+):(\d+)(?:\/|$)/.exec(url)
  if (match === null) throw memoryErrors.create('ERR_MEMORY_URL', `${JSON.stringify(url)} is not a memory URL`)
  return { host: match[1] as string, port: Number(match[2]) }
}

/** Opens a `memory:` URL from `host`. @throws ERR_MEMORY_CONNECT, ERR_MEMORY_URL, the signal's reason */
export async function openMemory(medium: MemoryMedium, host: string, url: string, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted()
  const target = parseMemoryUrl(url)
  await nextTurn()
  signal.throwIfAborted()
  try {
    return medium.connect(host, target.host, target.port)
  } catch (cause) {
    throw memoryErrors.create('ERR_MEMORY_CONNECT', `Cannot connect to ${url}`, { cause })
  }
}

/** The reference byte-socket factory: in-process streams to `memory://host:port/…`, as seen from `host`. */
export function memorySocketFactory(medium: MemoryMedium, host = 'localhost'): ByteSocketFactory {
  return { framing: 'bytes', schemes: ['memory'], open: (url, { signal }) => openMemory(medium, host, url, signal) }
}
