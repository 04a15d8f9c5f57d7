import { figure } from '../statistics.mjs'
import { note, pair, withCpu } from './pair.mjs'

/** An established byte link, mutual TLS over the direct strategy, beside `tls` of Node and nothing else. */
export async function link({ stage, rounds, megabytes }) {
  const both = await pair(stage)
  const { near, far } = both
  const bytes = megabytes * 1e6
  const ports = { tls: await far.ask({ do: 'serve', kind: 'tls' }), link: await far.ask({ do: 'serve', kind: 'link' }) }
  const samples = {}
  for (let number = -1; number < rounds; number++)
    for (const wanted of [false, true])
      for (const kind of number % 2 === 0 ? ['tls', 'link'] : ['link', 'tls']) {
        const { ms, cpuMs } = await withCpu(both, () => near.ask({ do: 'move', kind, port: ports[kind], bytes, wanted }))
        if (number < 0) continue
        note(samples, `${kind} ${wanted}`, bytes / 1e6 / (ms / 1000))
        note(samples, `${kind} cpu`, (cpuMs / bytes) * 1e9)
      }
  await stage.stop(near, far)
  const goal = (of) => ({ goal: { atLeast: 0.85, of, name: 'raw tls' } })
  return [
    figure('raw tls, client sends', 'MB/s', samples['tls false']),
    figure('raw tls, server sends', 'MB/s', samples['tls true']),
    figure('link, dialling side sends', 'MB/s', samples['link false'], goal(samples['tls false'])),
    figure('link, accepting side sends', 'MB/s', samples['link true'], goal(samples['tls true'])),
    figure('processor of both sides, raw tls', 'ms/GB', samples['tls cpu']),
    figure('processor of both sides, link', 'ms/GB', samples['link cpu'])
  ]
}
