import { expect } from 'chai'
import { Deferred } from '@kithmesh/core/plugin'
import { RouteRace } from '../dist/route-race.js'
import { manualClock, rejection } from '@kithmesh/testkit'
import { settle } from './fakes.ts'

function subject() {
  const clock = manualClock()
  const discarded: string[] = []
  const events: string[] = []
  const race = new RouteRace<string>({
    clock,
    staggerMs: 250,
    discard: (late) => {
      discarded.push(late)
    }
  })
  const candidate = (name: string, rank = 0, holdMs?: number) => {
    const gate = new Deferred<string>()
    return {
      gate,
      succeed: () => {
        gate.resolve(name)
      },
      rank,
      holdMs,
      signal: undefined as AbortSignal | undefined,
      start(signal: AbortSignal) {
        events.push(`start ${name}`)
        this.signal = signal
        return gate.promise
      },
      won: () => {
        events.push(`won ${name}`)
      },
      failed: (error: unknown) => {
        events.push(`failed ${name}: ${(error as Error).message}`)
      },
      lost: (cancelled: unknown) => {
        events.push(`${cancelled === undefined ? 'lost' : 'cancelled'} ${name}`)
      },
      skipped: () => {
        events.push(`skipped ${name}`)
      }
    }
  }
  return { clock, race, discarded, events, candidate }
}

describe('RouteRace', () => {
  it('starts by rank, one after the pause that the other had', async () => {
    const { race, clock, events, candidate } = subject()
    const [relay, direct] = [candidate('relay', 9), candidate('direct', 0)]
    race.add([relay, direct])
    race.complete()
    expect(events).to.deep.equal(['start direct'])
    await clock.advance(249)
    expect(events).to.have.length(1)
    await clock.advance(1)
    expect(events).to.deep.equal(['start direct', 'start relay'])
    relay.succeed()
    expect(await race.result).to.equal('relay')
    expect(events.slice(2)).to.deep.equal(['won relay', 'lost direct'])
    expect(direct.signal?.aborted).to.equal(true)
    expect(relay.signal?.aborted).to.equal(false)
  })

  it('starts a better candidate that comes late at once, however long a worse one holds up others', async () => {
    const { race, clock, events, candidate } = subject()
    const [punch, relay, direct, second] = [
      candidate('punch', 40, 5_000),
      candidate('relay', 80),
      candidate('direct', 0),
      candidate('second', 0)
    ]
    race.add([punch, relay])
    await clock.advance(1_000)
    race.add([direct, second])
    race.complete()
    expect(events).to.deep.equal(['start punch', 'start direct'])
    await clock.advance(250)
    expect(events).to.deep.equal(['start punch', 'start direct', 'start second'])
    await clock.advance(3_749)
    expect(events).to.have.length(3)
    await clock.advance(1)
    expect(events).to.deep.equal(['start punch', 'start direct', 'start second', 'start relay'])
    race.cancel(new Error('enough'))
    await rejection(race.result)
    expect(clock.pending).to.equal(0)
  })

  it('does not wait after a failure', async () => {
    const { race, events, candidate, clock } = subject()
    const [one, two] = [candidate('one'), candidate('two')]
    race.add([one, two])
    one.gate.reject(new Error('refused'))
    await settle()
    expect(events).to.deep.equal(['start one', 'failed one: refused', 'start two'])
    two.succeed()
    expect(await race.result).to.equal('two')
    expect(clock.pending).to.equal(0)
  })

  it('has one winner of two that succeed at once, and discards the other', async () => {
    const { race, clock, candidate, discarded, events } = subject()
    const [one, two] = [candidate('one'), candidate('two')]
    race.add([one, two])
    await clock.advance(250)
    one.succeed()
    two.succeed()
    expect(await race.result).to.equal('one')
    await settle()
    expect(discarded).to.deep.equal(['two'])
    expect(events).to.deep.equal(['start one', 'start two', 'won one', 'lost two'])
  })

  it('fails with all errors when all have failed and no more will come', async () => {
    const { race, candidate } = subject()
    const one = candidate('one')
    race.add([one])
    one.gate.reject(new Error('first'))
    await settle()
    const two = candidate('two')
    race.add([two])
    two.gate.reject(new Error('second'))
    const result = rejection(race.result)
    await settle()
    race.complete()
    expect(((await result) as AggregateError).errors.map((error: Error) => error.message)).to.deep.equal(['first', 'second'])
  })

  it('fails at once without any candidate', async () => {
    const { race } = subject()
    race.complete()
    expect(((await rejection(race.result)) as AggregateError).errors).to.deep.equal([])
  })

  it('treats a start that throws as a failure', async () => {
    const { race, candidate, events } = subject()
    race.add([
      {
        ...candidate('one'),
        start: () => {
          throw new Error('at once')
        }
      }
    ])
    race.complete()
    await rejection(race.result)
    expect(events).to.deep.equal(['failed one: at once'])
  })

  it('is cancelled with a reason; what comes later is discarded or skipped', async () => {
    const { race, candidate, events, discarded, clock } = subject()
    const [one, two, late] = [candidate('one'), candidate('two'), candidate('late')]
    race.add([one, two])
    race.cancel(new Error('enough'))
    race.cancel(new Error('more than enough'))
    expect((await rejection(race.result)).message).to.equal('enough')
    race.add([late])
    one.succeed()
    await settle()
    expect(discarded).to.deep.equal(['one'])
    expect(events).to.deep.equal(['start one', 'cancelled one', 'skipped two', 'skipped late'])
    expect(clock.pending).to.equal(0)
  })

  it('starts a candidate that comes late as soon as it may', async () => {
    const { race, candidate, events, clock } = subject()
    race.add([candidate('one')])
    await clock.advance(100)
    race.add([candidate('two', 5)])
    expect(events).to.deep.equal(['start one'])
    await clock.advance(400)
    race.add([candidate('three', 7)])
    expect(events).to.deep.equal(['start one', 'start two', 'start three'])
    race.cancel(new Error('done'))
    await rejection(race.result)
  })

  it('lets a candidate hold up the later ones for longer, until it fails', async () => {
    const { race, clock, events, candidate } = subject()
    const [punch, direct, relay] = [candidate('punch', 40, 2_000), candidate('direct', 60), candidate('relay', 80)]
    race.add([relay, direct, punch])
    race.complete()
    await clock.advance(1_999)
    expect(events).to.deep.equal(['start punch'])
    await clock.advance(1)
    expect(events).to.deep.equal(['start punch', 'start direct'])
    direct.gate.reject(new Error('refused'))
    await settle()
    expect(events.slice(2)).to.deep.equal(['failed direct: refused', 'start relay'])
    relay.succeed()
    expect(await race.result).to.equal('relay')
  })

  it('does not start anybody early because another one failed that held up nobody', async () => {
    const { race, clock, events, candidate } = subject()
    const [reverse, punch, relay] = [candidate('reverse', 20), candidate('punch', 40, 2_000), candidate('relay', 80)]
    race.add([reverse, punch, relay])
    race.complete()
    await clock.advance(250)
    reverse.gate.reject(new Error('refused'))
    await settle()
    expect(events).to.deep.equal(['start reverse', 'start punch', 'failed reverse: refused'])
    punch.gate.reject(new Error('no hole'))
    await settle()
    expect(events.slice(3)).to.deep.equal(['failed punch: no hole', 'start relay'])
    relay.succeed()
    await race.result
  })
})
