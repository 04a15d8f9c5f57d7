import { InboundQueue, errorCode } from '@kithmesh/core'
import type { InboundDecision, InboundQueueOptions, IncomingPeer } from '@kithmesh/core'
import { expect } from 'chai'
import { manualClock, recordingLogger } from '@kithmesh/testkit'
import { logged, settle } from './fakes.ts'

const id = (index: number): string => index.toString(16).padStart(64, '0')
const peer = (index: number, address: string | null = `192.0.2.${index}`): IncomingPeer => ({
  peerId: id(index),
  name: `Till ${index}`,
  address,
  route: `direct ${address}:50312`
})

function subject(options: Partial<InboundQueueOptions<IncomingPeer>> = {}) {
  const clock = manualClock()
  const logger = recordingLogger()
  const asked: Array<{
    peer: IncomingPeer
    signal: AbortSignal
    answer: (decision: InboundDecision) => void
    fail: (error: Error) => void
  }> = []
  const queue = new InboundQueue<IncomingPeer>({
    clock,
    logger,
    onIncomingPeer: (each, { signal }) =>
      new Promise((answer, fail) => {
        asked.push({ peer: each, signal, answer, fail })
      }),
    ...options
  })
  /** What becomes of it: `waits`, `in`, or the code of the refusal. */
  const admit = (each: IncomingPeer, signal = new AbortController().signal) => {
    const result = { now: 'waits' }
    queue.admit(each, { signal }).then(
      () => {
        result.now = 'in'
      },
      (error: unknown) => {
        result.now = errorCode(error) ?? (error as Error).name ?? (error as Error).message
      }
    )
    return result
  }
  const pending = () => queue.pending.current.map(({ peer: { peerId }, state }) => `${Number.parseInt(peerId, 16)} ${state}`)
  return { clock, logger, queue, asked, admit, pending }
}

describe('InboundQueue', () => {
  it('is a gate: nobody gets on before the application has decided', async () => {
    const { asked, admit, pending, clock } = subject()
    const [one, two, three] = [admit(peer(1)), admit(peer(2)), admit(peer(3))]
    await clock.advance(5_000)
    expect([one.now, two.now, three.now]).to.deep.equal(['waits', 'waits', 'waits'])
    expect(pending()).to.deep.equal(['1 deciding', '2 deciding', '3 deciding'])
    asked[0]?.answer('accept')
    asked[1]?.answer('reject')
    asked[2]?.answer('hold')
    await settle()
    expect([one.now, two.now, three.now]).to.deep.equal(['in', 'ERR_INBOUND_REJECTED', 'waits'])
    expect(pending()).to.deep.equal(['3 held'])
  })

  it('refuses bounds that make no sense', () => {
    for (const wrong of [{ capacity: NaN }, { perAddress: 0 }, { decisionMs: Infinity }, { holdMs: -1 }])
      expect(() => subject(wrong), Object.keys(wrong)[0]).to.throw(TypeError, Object.keys(wrong)[0])
  })

  it('lets everybody in where nobody decides', async () => {
    const { admit, pending } = subject({ onIncomingPeer: undefined })
    const one = admit(peer(1))
    await settle()
    expect(one.now).to.equal('in')
    expect(pending()).to.deep.equal([])
  })

  it('takes decisions at once, and those on held devices from the list, once', async () => {
    const { queue, admit, pending } = subject({ onIncomingPeer: ({ peerId }) => (peerId === id(1) ? 'accept' : 'hold') })
    const [one, two, three] = [admit(peer(1)), admit(peer(2)), admit(peer(3))]
    await settle()
    expect([one.now, two.now, three.now]).to.deep.equal(['in', 'waits', 'waits'])
    const [second, third] = queue.pending.current
    expect(second?.accept()).to.equal(true)
    expect(third?.reject('nobody knows it')).to.equal(true)
    await settle()
    expect([two.now, three.now]).to.deep.equal(['in', 'ERR_INBOUND_REJECTED'])
    expect([second?.accept(), second?.reject(), third?.accept()]).to.deep.equal([false, false, false])
    expect(pending()).to.deep.equal([])
  })

  it('can be decided on while onIncomingPeer still thinks, which is told that it need not', async () => {
    const { queue, asked, admit } = subject()
    const one = admit(peer(1))
    expect(queue.pending.current[0]?.accept()).to.equal(true)
    await settle()
    expect(one.now).to.equal('in')
    expect(asked[0]?.signal.aborted).to.equal(true)
    asked[0]?.answer('reject')
    await settle()
    expect(one.now).to.equal('in')
  })

  it('refuses when time is over, of a decision and of being held', async () => {
    const { clock, queue, asked, admit, pending } = subject({ decisionMs: 2_000, holdMs: 5_000 })
    const [one, two] = [admit(peer(1)), admit(peer(2))]
    await clock.advance(1_500)
    asked[1]?.answer('hold')
    await clock.advance(500)
    expect(one.now).to.equal('ERR_INBOUND_TIMEOUT')
    expect(asked[0]?.signal.aborted).to.equal(true)
    expect(pending()).to.deep.equal(['2 held'])
    expect((queue.pending.current[0]?.until ?? 0) - clock.now()).to.equal(4_500)
    await clock.advance(4_500)
    expect(two.now).to.equal('ERR_INBOUND_TIMEOUT')
    expect(pending()).to.deep.equal([])
    expect(clock.pending, 'timers').to.equal(0)
  })

  it('rejects where the decision fails or is none, and goes on', async () => {
    const { logger, asked, admit } = subject()
    const [one, two] = [admit(peer(1)), admit(peer(2))]
    asked[0]?.fail(new Error('a mistake of the application'))
    asked[1]?.answer('yes' as InboundDecision)
    await settle()
    expect([one.now, two.now]).to.deep.equal(['ERR_INBOUND_REJECTED', 'ERR_INBOUND_REJECTED'])
    expect(logged(logger, 'error')).to.have.length(1)
    const throwing = subject({
      onIncomingPeer: () => {
        throw new Error('a mistake of the application')
      }
    })
    const three = throwing.admit(peer(3))
    await settle()
    expect(three.now).to.equal('ERR_INBOUND_REJECTED')
  })

  it('refuses the newest when it is full, and has room again when one is decided on', async () => {
    const { asked, admit } = subject({ capacity: 3 })
    const waiting = [admit(peer(1)), admit(peer(2)), admit(peer(3))]
    const late = admit(peer(4))
    await settle()
    expect(late.now).to.equal('ERR_INBOUND_FULL')
    expect(waiting.map(({ now }) => now)).to.deep.equal(['waits', 'waits', 'waits'])
    asked[0]?.answer('reject')
    await settle()
    const again = admit(peer(4))
    await settle()
    expect(again.now).to.equal('waits')
  })

  it('gives one address a part of the places, however it is written, and devices behind it are not taken for each other', async () => {
    const { admit, pending } = subject({ perAddress: 2 })
    const results = [
      admit(peer(1, '192.0.2.1')),
      admit(peer(2, '::ffff:192.0.2.1')),
      admit(peer(3, '192.0.2.1')),
      admit(peer(4, '192.0.2.2')),
      admit(peer(5, null)),
      admit(peer(6, null)),
      admit(peer(7, null))
    ]
    await settle()
    expect(results.map(({ now }) => now)).to.deep.equal(['waits', 'waits', 'ERR_INBOUND_FULL', 'waits', 'waits', 'waits', 'waits'])
    expect(pending()).to.have.length(6)
  })

  it('has a device wait once: its newest connection', async () => {
    const { queue, asked, admit, pending } = subject({ capacity: 1 })
    const first = admit(peer(1, '192.0.2.1'))
    const second = admit(peer(1, '198.51.100.1'))
    await settle()
    expect([first.now, second.now]).to.deep.equal(['ERR_INBOUND_REPLACED', 'waits'])
    expect(pending()).to.deep.equal(['1 deciding'])
    expect(queue.pending.current[0]?.peer.address).to.equal('198.51.100.1')
    expect(asked, 'the application is asked once').to.have.length(1)
    expect(asked[0]?.signal.aborted).to.equal(false)
    asked[0]?.answer('accept')
    await settle()
    expect(second.now).to.equal('in')
  })

  it('goes on deciding when the connection ends, and lets the device in or rejects it when it comes again', async () => {
    const { clock, queue, asked, admit, pending } = subject({ holdMs: 5_000 })
    const [old, ended] = [new AbortController(), new AbortController()]
    const first = admit(peer(1), old.signal)
    const second = admit(peer(1), ended.signal)
    old.abort()
    await settle()
    expect([first.now, second.now]).to.deep.equal(['ERR_INBOUND_REPLACED', 'waits'])
    asked[0]?.answer('hold')
    ended.abort()
    await settle()
    expect(second.now).to.equal('AbortError')
    expect(pending()).to.deep.equal(['1 held'])
    expect(queue.pending.current[0]?.connected).to.equal(false)
    expect(queue.refuses(id(1)), 'nor is it to be dialled').to.include({ code: 'ERR_INBOUND_REJECTED' })
    expect(queue.pending.current[0]?.accept()).to.equal(true)
    expect(pending(), 'decided').to.deep.equal([])
    expect(queue.refuses(id(1))).to.equal(undefined)
    const third = admit(peer(1))
    await settle()
    expect(third.now).to.equal('in')
    expect(asked).to.have.length(1)
    const rejected = new AbortController()
    admit(peer(2), rejected.signal)
    rejected.abort()
    asked[1]?.answer('reject')
    await settle()
    expect(queue.refuses(id(2))).to.include({ code: 'ERR_INBOUND_REJECTED' })
    const again = admit(peer(2))
    await settle()
    expect(again.now).to.equal('ERR_INBOUND_REJECTED')
    expect(clock.pending, 'timers').to.equal(0)
  })

  it('keeps a decision on a device that is gone for a while, and then forgets it', async () => {
    const { clock, queue, asked, admit } = subject({ holdMs: 5_000 })
    const ended = new AbortController()
    admit(peer(1), ended.signal)
    ended.abort()
    asked[0]?.answer('reject')
    await clock.advance(5_000)
    expect(queue.refuses(id(1))).to.equal(undefined)
    expect(clock.pending, 'timers').to.equal(0)
    const again = admit(peer(1))
    await settle()
    expect(again.now).to.equal('waits')
    expect(asked).to.have.length(2)
  })

  it('gives the places of devices that are gone to those that come', async () => {
    const { admit, pending } = subject({ capacity: 3, perAddress: 2 })
    const [one, two] = [new AbortController(), new AbortController()]
    admit(peer(1, '192.0.2.1'), one.signal)
    admit(peer(2, '192.0.2.1'))
    one.abort()
    const three = admit(peer(3, '192.0.2.1'))
    await settle()
    expect(three.now).to.equal('waits')
    expect(pending()).to.deep.equal(['2 deciding', '3 deciding'])
    admit(peer(4), two.signal)
    two.abort()
    const [five, six] = [admit(peer(5)), admit(peer(6))]
    await settle()
    expect([five.now, six.now]).to.deep.equal(['waits', 'ERR_INBOUND_FULL'])
    expect(pending()).to.deep.equal(['2 deciding', '3 deciding', '5 deciding'])
  })

  it('tells of everybody who comes and goes', async () => {
    const { queue, asked, admit } = subject()
    const told: number[] = []
    queue.pending.onChange((entries) => told.push(entries.length))
    admit(peer(1))
    await settle()
    admit(peer(2))
    await settle()
    asked[0]?.answer('hold')
    await settle()
    asked[1]?.answer('accept')
    await settle()
    expect(told).to.deep.equal([1, 2, 2, 1])
  })

  it('refuses everybody when it is closed', async () => {
    const { queue, admit } = subject()
    const one = admit(peer(1))
    queue.close(Object.assign(new Error('stopped'), { code: 'ERR_STOPPED' }))
    queue.close(new Error('once more'))
    const two = admit(peer(2))
    await settle()
    expect([one.now, two.now]).to.deep.equal(['ERR_STOPPED', 'ERR_STOPPED'])
    expect(queue.pending.current).to.deep.equal([])
  })
})
