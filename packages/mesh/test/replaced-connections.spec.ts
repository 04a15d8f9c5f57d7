import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import { type Replaced, ReplacedConnections } from '../dist/link/replaced-connections.js'

/** An incoming connection that ends when it is told to, unless it is `stubborn`. */
function passive(stubborn = false) {
  const events: string[] = []
  let stopped = (): void => {}
  const ended = new Promise<void>((resolve) => {
    stopped = resolve
  })
  const connection: Replaced = {
    ended,
    end: async () => {
      events.push('stop')
      if (!stubborn) stopped()
    },
    terminate: () => {
      events.push('terminate')
      stopped()
    }
  }
  return { events, stopped, connection }
}

describe('connections that newer ones replaced', () => {
  const { signal } = new AbortController()

  it('are left to the device for ten seconds', async () => {
    const clock = manualClock()
    const replaced = new ReplacedConnections(clock)
    const [ends, stays] = [passive(), passive()]
    const ended = replaced.end(ends.connection, signal)
    const stayed = replaced.end(stays.connection, signal)
    ends.stopped()
    await ended
    await clock.advance(10_000)
    await stayed
    expect([ends.events, stays.events]).to.deep.equal([[], ['stop']])
  })

  it('are cut when there are more than two, also those that will not end', async () => {
    const replaced = new ReplacedConnections(manualClock())
    const all = Array.from({ length: 6 }, () => passive(true))
    for (const { connection } of all) void replaced.end(connection, signal)
    expect(all.map(({ events }) => events.join())).to.deep.equal(['terminate', 'terminate', 'terminate', 'terminate', '', ''])
    for (const { stopped } of all) stopped()
  })
})
