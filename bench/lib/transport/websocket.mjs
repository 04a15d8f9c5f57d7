import { figure } from '../statistics.mjs'
import { note, pair, withCpu } from './pair.mjs'

const KINDS = { TCP: ['ws', 'websocket plain'], TLS: ['wss', 'websocket'] }
const BULK_BYTES = 16 * 1024
const SMALL_BYTES = 256

/** A WebSocket of ours over TCP and over the byte link, beside `ws` (with bufferutil) and nothing else, over TCP and TLS. */
export async function websocket({ stage, rounds, megabytes }) {
  const both = await pair(stage)
  const { near, far } = both
  const ports = {}
  for (const kind of Object.values(KINDS).flat()) ports[kind] = await far.ask({ do: 'serve', kind })
  const samples = {}
  const small = Math.ceil((megabytes * 1e6) / 2 / SMALL_BYTES)
  const tests = {
    up: { count: Math.ceil((megabytes * 1e6) / BULK_BYTES), bytes: BULK_BYTES, wanted: false },
    down: { count: Math.ceil((megabytes * 1e6) / BULK_BYTES), bytes: BULK_BYTES, wanted: true },
    small: { count: small, bytes: SMALL_BYTES, wanted: false }
  }
  for (let number = -1; number < rounds; number++)
    for (const kinds of Object.values(KINDS))
      for (const [test, request] of Object.entries(tests))
        for (const kind of number % 2 === 0 ? kinds : [...kinds].reverse()) {
          const { ms, cpuMs } = await withCpu(both, () => near.ask({ do: 'messages', kind, port: ports[kind], ...request }))
          if (number < 0) continue
          const amount = test === 'small' ? small : (request.count * BULK_BYTES) / 1e6
          note(samples, `${kind} ${test}`, amount / (ms / 1000))
          note(samples, `${kind} ${test} cpu`, test === 'small' ? (cpuMs / amount) * 1000 : cpuMs / (amount / 1000))
        }
  await stage.stop(near, far)
  const figures = []
  for (const [layer, [bare, own]] of Object.entries(KINDS))
    for (const [test, what, unit, cost] of [
      ['up', 'client sends 16 KiB', 'MB/s', 'ms/GB'],
      ['down', 'server sends 16 KiB', 'MB/s', 'ms/GB'],
      ['small', 'client sends 256 B', 'messages/s', 'µs/message']
    ]) {
      const reference = samples[`${bare} ${test}`]
      figures.push(
        figure(`bare ws over ${layer}, ${what}`, unit, reference),
        figure(`WebSocket over ${layer}, ${what}`, unit, samples[`${own} ${test}`], {
          goal: { atLeast: 0.9, of: reference, name: 'bare ws' }
        }),
        figure('  processor of both sides, bare ws', cost, samples[`${bare} ${test} cpu`], { digits: test === 'small' ? 2 : 0 }),
        figure('  processor of both sides, WebSocket', cost, samples[`${own} ${test} cpu`], { digits: test === 'small' ? 2 : 0 })
      )
    }
  return figures
}
