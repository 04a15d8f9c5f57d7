import { credentials, missingCoturn, startCoturn } from '../../../tests/support/coturn.mjs'
import { figure } from '../statistics.mjs'
import { note, pair, patiently } from './pair.mjs'

/**
 * One relayed hop: a TCP connection through coturn (RFC 6062), beside a process that pipes one socket into another; and a reliable stream
 * over a UDP allocation there, beside the same stream without a relay.
 */
export async function relay({ stage, rounds, megabytes, say }) {
  const missing = missingCoturn()
  if (missing.length > 0) {
    say(`  not measured: missing ${missing}`)
    return []
  }
  const coturn = await startCoturn()
  try {
    const { near, far } = await pair(stage)
    const middle = stage.start('transport')
    const tcp = await far.ask({ do: 'serve', kind: 'tcp' })
    const ports = {
      pipe: await middle.ask({ do: 'serve', kind: 'pipe', to: tcp }),
      'tcp relay': await far.ask({ do: 'serve', kind: 'tcp relay', uri: coturn.uri('tcp'), ...credentials })
    }
    const bytes = megabytes * 1e6
    const samples = {}
    for (let number = -1; number < rounds; number++) {
      for (const wanted of [false, true])
        for (const kind of number % 2 === 0 ? ['pipe', 'tcp relay'] : ['tcp relay', 'pipe']) {
          const { ms } = await patiently(kind, () => near.ask({ do: 'move', kind: 'tcp', port: ports[kind], bytes, wanted }))
          if (number >= 0) note(samples, `${kind} ${wanted}`, bytes / 1e6 / (ms / 1000))
        }
      for (const kind of ['udp', 'udp relay'])
        for (const wanted of [false, true]) {
          const offer = await far.ask({ do: 'serve', kind, uri: coturn.uri(), ...credentials })
          const { ms } = await patiently(kind, () => near.ask({ do: 'moveDatagrams', bytes: bytes / 5, wanted, offer }))
          if (number >= 0) note(samples, `${kind} ${wanted}`, (bytes / 5 / 1e6 / (ms / 1000)) * 8)
        }
    }
    await stage.stop(near, far, middle)
    const goal = (of) => ({ goal: { atLeast: 0.6, of, name: 'the piping process' } })
    return [
      figure('piping process, client sends', 'MB/s', samples['pipe false']),
      figure('piping process, server sends', 'MB/s', samples['pipe true']),
      figure('TCP relay, client sends', 'MB/s', samples['tcp relay false'], goal(samples['pipe false'])),
      figure('TCP relay, server sends', 'MB/s', samples['tcp relay true'], goal(samples['pipe true'])),
      figure('datagram stream, no relay, client sends', 'Mbit/s', samples['udp false']),
      figure('datagram stream, no relay, server sends', 'Mbit/s', samples['udp true']),
      figure('UDP relay, client sends', 'Mbit/s', samples['udp relay false'], { goal: { atLeast: 100 } }),
      figure('UDP relay, server sends', 'Mbit/s', samples['udp relay true'], { goal: { atLeast: 100 } })
    ]
  } finally {
    await coturn[Symbol.asyncDispose]()
  }
}
