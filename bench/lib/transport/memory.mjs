import { figure } from '../statistics.mjs'
import { note, pair } from './pair.mjs'

const LINKS = 1_000

/** What a thousand idle links take: mutual TLS with a WebSocket on it, in a process that already had some. */
export async function memory({ stage, rounds }) {
  stage.execArgv = [...stage.execArgv, '--expose-gc']
  const samples = {}
  for (let number = 0; number < Math.min(rounds, 3); number++)
    for (const kind of ['wss', 'websocket']) {
      const { near, far } = await pair(stage)
      const port = await far.ask({ do: 'serve', kind })
      await near.ask({ do: 'hold', kind, port, count: 20 })
      const before = [await near.ask({ do: 'resident' }), await far.ask({ do: 'resident' })]
      await near.ask({ do: 'hold', kind, port, count: LINKS })
      const after = [await near.ask({ do: 'resident' }), await far.ask({ do: 'resident' })]
      note(samples, `${kind} dialled`, after[0] - before[0])
      note(samples, `${kind} accepted`, after[1] - before[1])
      note(samples, `${kind} dialled in all`, after[0])
      note(samples, `${kind} accepted in all`, after[1])
      await stage.stop(near, far)
    }
  const goal = { goal: { atMost: 150 } }
  return [
    figure('1,000 bare wss, dialled', 'MB', samples['wss dialled']),
    figure('1,000 bare wss, accepted', 'MB', samples['wss accepted']),
    figure('1,000 links, dialled', 'MB', samples['websocket dialled'], goal),
    figure('1,000 links, accepted', 'MB', samples['websocket accepted'], goal),
    figure('process with 1,000 links, dialled', 'MB', samples['websocket dialled in all']),
    figure('process with 1,000 links, accepted', 'MB', samples['websocket accepted in all'])
  ]
}
