import { expect } from 'chai'
import { manualClock } from '@kithmesh/testkit'
import type { Passive } from '../dist/link-sides.js'
import { ReplacedConnections } from '../dist/replaced-connections.js'

/** An incoming connection that ends when it is told to, unless it is `stubborn`. */
function passive(stubborn = false) {
  const events: string[] = []
  let tell: (status: { activity: string; error: undefined }) => void = () => {}
  const stopped = (): void => {
    tell({ activity: 'stopped', error: undefined })
  }
  const service = {
    onStatus: (listener: typeof tell) => {
      tell = listener
    },
    stop: async () => {
      events.push('stop')
      if (!stubborn) stopped()
    }
  }
  const socket = {
    terminate: () => {
      events.push('terminate')
      stopped()
    }
  }
  return { events, stopped, connection: { service, socket } as unknown as Passive }
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
