import { figure } from '../statistics.mjs'
import { note, pair } from './pair.mjs'

const KINDS = { plain: ['ws', 'websocket plain'], tls: ['wss', 'websocket'] }
const BULK_BYTES = 16 * 1024
const SMALL_BYTES = 256

/** A WebSocket of ours over TCP and over the byte link, beside `ws` (with bufferutil) and nothing else, over TCP and TLS. */
export async function websocket({ stage, rounds, megabytes }) {
  const { near, far } = await pair(stage)
  const ports = {}
  for (const kind of Object.values(KINDS).flat()) ports[kind] = await far.ask({ do: 'serve', kind })
  const samples = {}
  const bulk = Math.ceil((megabytes * 1e6) / BULK_BYTES)
  const small = Math.ceil((megabytes * 1e6) / 16 / SMALL_BYTES)
  for (let number = -1; number < rounds; number++)
    for (const pairOf of Object.values(KINDS))
      for (const kind of number % 2 === 0 ? pairOf : [...pairOf].reverse()) {
        for (const wanted of [false, true]) {
          const { ms } = await near.ask({ do: 'messages', kind, port: ports[kind], count: bulk, bytes: BULK_BYTES, wanted })
          if (number >= 0) note(samples, `${kind} ${wanted}`, (bulk * BULK_BYTES) / 1e6 / (ms / 1000))
        }
        const { ms } = await near.ask({ do: 'messages', kind, port: ports[kind], count: small, bytes: SMALL_BYTES, wanted: false })
        if (number >= 0) note(samples, `${kind} small`, small / (ms / 1000))
      }
  await stage.stop(near, far)
  const figures = []
  for (const [way, [bare, own]] of Object.entries(KINDS))
    for (const [what, name, unit] of [
      ['false', 'client sends 16 KiB messages', 'MB/s'],
      ['true', 'server sends 16 KiB messages', 'MB/s'],
      ['small', 'client sends 256 B messages', 'messages/s']
    ]) {
      const reference = samples[`${bare} ${what}`]
      const layer = way === 'tls' ? 'over TLS' : 'over TCP'
      figures.push(figure(`bare ws ${layer}, ${name}`, unit, reference))
      figures.push(
        figure(`WebSocket ${layer}, ${name}`, unit, samples[`${own} ${what}`], { goal: { atLeast: 0.9, of: reference, name: 'bare ws' } })
      )
    }
  return figures
}
