import { createSocket } from 'node:dgram'
import type { RemoteInfo } from 'node:dgram'
import { once } from 'node:events'

/** What a scripted server puts into its replies; whatever is left out is what an honest server says. */
export interface Script {
  /** How far its clock is ahead, milliseconds. @default 0 */
  readonly aheadMs?: number
  /** It answers this late, milliseconds, for each request in turn; the last one holds on. @default [0] */
  readonly delaysMs?: readonly number[]
  /** The way back takes this long, milliseconds, for each reply in turn; the last one holds on. @default [0] */
  readonly wayBacksMs?: readonly number[]
  readonly stratum?: number
  readonly leap?: number
  readonly mode?: number
  readonly version?: number
  readonly rootDelayMs?: number
  readonly rootDispersionMs?: number
  readonly kiss?: string
  /** Changes the finished reply, or replaces it by several or none. */
  readonly distort?: (reply: Buffer, request: Buffer) => Buffer | readonly Buffer[]
}

export interface ScriptedServer extends AsyncDisposable {
  /** `127.0.0.2:40123`. */
  readonly name: string
  readonly requests: readonly Buffer[]
  /** The addresses that the requests came from. */
  readonly senders: readonly string[]
}

const UNIX_EPOCH_S = 2_208_988_800

export function writeTime(packet: Buffer, at: number, epochMs: number): void {
  const seconds = Math.floor(epochMs / 1_000)
  packet.writeUInt32BE((seconds + UNIX_EPOCH_S) % 2 ** 32, at)
  packet.writeUInt32BE(Math.floor(((epochMs - seconds * 1_000) / 1_000) * 2 ** 32), at + 4)
}

/** A reply as an honest server of stratum 2 sends it. */
export function replyTo(request: Buffer, receivedAt: number, sentAt: number, script: Script = {}): Buffer {
  const { stratum = 2, leap = 0, mode = 4, version = 4, rootDelayMs = 1, rootDispersionMs = 0.5, aheadMs = 0, kiss } = script
  const packet = Buffer.alloc(48)
  packet[0] = (leap << 6) | (version << 3) | mode
  packet[1] = kiss === undefined ? stratum : 0
  packet.writeInt8(-20, 3)
  packet.writeUInt32BE(Math.round((rootDelayMs / 1_000) * 65_536), 4)
  packet.writeUInt32BE(Math.round((rootDispersionMs / 1_000) * 65_536), 8)
  packet.write(kiss ?? 'GPS', 12, 'latin1')
  writeTime(packet, 16, receivedAt + aheadMs - 60_000)
  request.copy(packet, 24, 40, 48)
  writeTime(packet, 32, receivedAt + aheadMs)
  writeTime(packet, 40, sentAt + aheadMs)
  return packet
}

/** An NTP server on a loopback address that does as it is told. */
export async function scriptedServer(address: string, script: Script = {}): Promise<ScriptedServer> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  const timers = new Set<NodeJS.Timeout>()
  const requests: Buffer[] = []
  const senders: string[] = []
  let replies = 0
  const localTime = (): number => performance.timeOrigin + performance.now()
  const later = (ms: number, run: () => void): void => {
    if (ms === 0) {
      run()
      return
    }
    const timer = setTimeout(() => {
      timers.delete(timer)
      run()
    }, ms)
    timers.add(timer)
  }
  const answer = (request: Buffer, from: RemoteInfo, receivedAt: number): void => {
    const reply = replyTo(request, receivedAt, localTime(), script)
    const distorted = script.distort?.(reply, request) ?? reply
    later(at(script.wayBacksMs, replies++), () => {
      for (const packet of Buffer.isBuffer(distorted) ? [distorted] : distorted) socket.send(packet, from.port, from.address)
    })
  }
  socket.on('message', (request, from) => {
    const receivedAt = localTime()
    const delay = at(script.delaysMs, requests.length)
    requests.push(request)
    senders.push(from.address)
    later(delay, () => {
      answer(request, from, receivedAt)
    })
  })
  socket.bind(0, address)
  await once(socket, 'listening')
  return {
    name: address.includes(':') ? `[${address}]:${socket.address().port}` : `${address}:${socket.address().port}`,
    requests,
    senders,
    async [Symbol.asyncDispose]() {
      for (const timer of timers) clearTimeout(timer)
      socket.close()
      await once(socket, 'close')
    }
  }
}

function at(list: readonly number[] = [0], index: number): number {
  return list[Math.min(index, list.length - 1)] ?? 0
}
