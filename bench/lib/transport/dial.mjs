import { figure, median, percentile } from '../statistics.mjs'
import { note, pair } from './pair.mjs'

/** From nothing to the first byte of an authenticated peer, beside the TLS handshake of Node alone, with the same certificates. */
export async function dial({ stage, rounds, quick }) {
  const { near, far } = await pair(stage)
  const count = quick ? 50 : 200
  const ports = { tls: await far.ask({ do: 'serve', kind: 'tls' }), link: await far.ask({ do: 'serve', kind: 'link' }) }
  const samples = {}
  for (let number = -1; number < rounds; number++)
    for (const kind of number % 2 === 0 ? ['tls', 'link'] : ['link', 'tls']) {
      const times = await near.ask({ do: 'dial', kind, port: ports[kind], count, greeted: kind === 'link' })
      if (number < 0) continue
      note(samples, kind, median(times))
      note(samples, `${kind} p99`, percentile(times, 0.99))
    }
  await stage.stop(near, far)
  return [
    figure('bare TLS handshake', 'ms', samples.tls, { digits: 2 }),
    figure('dial to first authenticated byte', 'ms', samples.link, {
      digits: 2,
      goal: { atMost: 2, of: samples.tls, name: 'a bare handshake' }
    }),
    figure('bare TLS handshake, p99', 'ms', samples['tls p99'], { digits: 2 }),
    figure('dial to first authenticated byte, p99', 'ms', samples['link p99'], { digits: 2 })
  ]
}
