import type { Socket } from 'node:net'
import type { Clock } from '@kithmesh/core'

export interface PumpOptions {
  readonly clock: Clock
  /** Told how many bytes came; milliseconds until more should be read. */
  readonly spend: (bytes: number) => number
}

/** Joins two paused connections: bytes, ends and back-pressure go both ways, and when one breaks the other one is closed, too. */
export function pump(a: Socket, b: Socket, options: PumpOptions): void {
  oneWay(a, b, options)
  oneWay(b, a, options)
  const over = (socket: Socket, other: Socket): void => {
    const close = (): void => {
      if (socket.readableEnded && socket.writableFinished) other.destroySoon()
      else other.destroy()
    }
    if (socket.destroyed) close()
    else socket.once('close', close)
  }
  over(a, b)
  over(b, a)
}

function oneWay(from: Socket, to: Socket, { clock, spend }: PumpOptions): void {
  let full = false
  let waiting = false
  const go = (): void => {
    if (!full && !waiting) from.resume()
  }
  from.on('data', (chunk: Buffer) => {
    full = !to.write(chunk)
    const wait = spend(chunk.length)
    if (wait > 0) {
      waiting = true
      const cancel = clock.after(wait, () => {
        from.removeListener('close', cancel)
        waiting = false
        go()
      })
      from.once('close', cancel)
    }
    if (full || waiting) from.pause()
  })
  to.on('drain', () => {
    full = false
    go()
  })
  from.once('end', () => to.end())
  from.resume()
}
