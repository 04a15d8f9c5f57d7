import type { Reply } from '@kithmesh/blip'
import { expect } from 'chai'
import { BlipEnd, PeerTime, SeededRandom, SimDiscovery, SimNetwork, Trace, VirtualTime } from '../dist/sim/index.js'
import type { DiscoveryMember, NetworkOptions } from '../dist/sim/index.js'

function network(seed: number, options?: NetworkOptions): { time: VirtualTime; net: SimNetwork; trace: Trace; random: SeededRandom } {
  const time = new VirtualTime()
  const trace = new Trace()
  const random = new SeededRandom(seed)
  return { time, trace, random, net: new SimNetwork(time, random, trace, options) }
}

describe('simulated time', () => {
  it('runs events in order, and all that hangs on one before the next', async () => {
    const time = new VirtualTime()
    const seen: string[] = []
    time.after(20, () => seen.push(`20 at ${time.now}`))
    time.after(10, () => {
      seen.push('10')
      void Promise.resolve().then(() => seen.push('its promise'))
      time.soon(() => {
        seen.push('soon')
        setImmediate(() => seen.push('the event loop'))
      })
      time.after(0, () => seen.push('now'))
    })
    time.after(15, () => seen.push('cancelled')).run = undefined
    await time.run({ until: 30 })
    expect(seen).to.deep.equal(['10', 'now', 'its promise', 'soon', 'the event loop', '20 at 20'])
    expect(time.now).to.equal(30)
  })

  it('a peer that is gone runs nothing any more', async () => {
    const time = new VirtualTime()
    const peer = new PeerTime(time, 5000)
    const seen: number[] = []
    expect(peer.clock.now()).to.equal(time.startsAt + 5000)
    const cancel = peer.clock.every(10, () => seen.push(time.now))
    peer.clock.after(12, () => seen.push(-1))()
    await time.run({ until: 25 })
    cancel()
    const other = new PeerTime(time)
    other.clock.after(10, () => seen.push(-2))
    other.soon(() => seen.push(-3))
    other.end()
    await time.run({ until: 100 })
    expect(seen).to.deep.equal([10, 20])
  })

  it('random numbers depend on the seed and the label alone', () => {
    const a = new SeededRandom(7)
    a.next()
    expect(a.fork('x').hex(40)).to.equal(new SeededRandom(7).fork('x').hex(40))
    expect(a.fork('x').hex(40)).to.not.equal(a.fork('y').hex(40))
    const numbers = Array.from({ length: 10_000 }, () => a.below(10))
    for (let n = 0; n < 10; n++) expect(numbers.filter((number) => number === n).length).to.be.within(850, 1150)
    expect(a.shuffled([1, 2, 3, 4, 5]).sort()).to.deep.equal([1, 2, 3, 4, 5])
  })
})

describe('a simulated network', () => {
  it('delivers in order, whatever the delay', async () => {
    const { time, net } = network(3, { latencyMs: [10, 10], jitterMs: 50, loss: 0.3 })
    const pipe = net.pipe(0, 1)
    const seen: unknown[] = []
    pipe.b.receive = (message) => seen.push(message)
    for (let i = 0; i < 100; i++) pipe.a.send(i, 100)
    await time.run({ until: 60_000 })
    expect(seen).to.deep.equal(Array.from({ length: 100 }, (_, i) => i))
    expect(net.totals).to.include({ messages: 100, bytes: 10_000 })
  })

  it('takes as long as the bytes need', async () => {
    const { time, net } = network(3, { latencyMs: [10, 10], jitterMs: 0, bytesPerSecond: 1000 })
    const pipe = net.pipe(0, 1)
    const at: number[] = []
    pipe.b.receive = () => at.push(time.now)
    pipe.a.send('one', 500)
    pipe.a.send('two', 1000)
    await time.run({ until: 10_000 })
    expect(at).to.deep.equal([510, 1510])
  })

  it('holds back what a partition stops, and delivers it after it', async () => {
    const { time, net } = network(3)
    const pipe = net.pipe(0, 1)
    const at: number[] = []
    pipe.b.receive = () => at.push(time.now)
    net.partition(new Map([[1, 1]]))
    expect(net.canDial(0, 1)).to.equal(false)
    pipe.a.send('one', 1)
    await time.run({ until: 5000 })
    expect(at).to.deep.equal([])
    net.heal()
    pipe.a.send('two', 1)
    await time.run({ until: 6000 })
    expect(at).to.have.length(2)
  })

  it('knows hosts that can dial and not be dialled, and those that are gone', () => {
    const { net } = network(3)
    net.shelter(1)
    expect([net.canDial(0, 1), net.canDial(1, 0)]).to.deep.equal([false, true])
    net.block(0, 2)
    expect([net.passes(0, 2), net.passes(2, 0), net.passes(1, 2)]).to.deep.equal([false, false, true])
    net.vanish(0)
    expect(net.canDial(1, 0)).to.equal(false)
    net.restore(0)
    expect(net.canDial(1, 0)).to.equal(true)
  })
})

describe('a simulated BLIP connection', () => {
  function pair(net: SimNetwork, time: VirtualTime, heartbeatMs?: number): { a: BlipEnd; b: BlipEnd } {
    const pipe = net.pipe(0, 1)
    const options = { now: () => time.now, after: new PeerTime(time).clock.after, heartbeatMs, deadMs: 3000 }
    return { a: new BlipEnd(pipe, pipe.a, options), b: new BlipEnd(pipe, pipe.b, options) }
  }

  it('carries requests, answers, errors and bodies in pieces', async () => {
    const { time, net } = network(1)
    const { a, b } = pair(net, time)
    const body = Buffer.alloc(200_000, 7)
    b.handle('echo', (request) => {
      request.respond({ properties: { got: request.properties['word'] ?? '' }, body: request.body })
      request.respond()
    })
    b.handle('big', (request) => {
      request.respond({
        body: (async function* () {
          yield body.subarray(0, 100_000)
          yield body.subarray(100_000)
        })()
      })
    })
    const replies: Reply[] = []
    const pieces: number[] = []
    const take = (reply: Reply): void => void replies.push(reply)
    a.request({ profile: 'echo', properties: { word: 'hello' }, body: Buffer.from('x') }, take)
    a.request({ profile: 'nothing' }, take)
    a.request({ profile: 'big' }, take, { onBody: (piece) => void pieces.push(piece.length) })
    a.request({ profile: 'big' }, take, { maxBodyBytes: 1000 })
    expect(() => {
      a.request({ profile: 'echo', properties: { word: 1 as never } })
    }).to.throw(TypeError)
    expect(a.unansweredRequests).to.equal(4)
    await time.run({ until: 1000 })
    expect(
      replies.map((reply) => (reply.kind === 'ok' ? 'ok' : reply.kind === 'error' ? `${reply.domain} ${reply.code}` : reply.kind))
    ).to.have.members(['ok', 'BLIP 404', 'ok', 'BLIP 413'])
    expect(replies.find((reply) => reply.kind === 'ok')).to.deep.include({ properties: { got: 'hello' } })
    expect(pieces.reduce((sum, n) => sum + n, 0)).to.equal(200_000)
    expect(a.unansweredRequests).to.equal(0)
  })

  it('answers a request itself whose body cannot be read, and goes on', async () => {
    const { time, net } = network(11)
    const { a, b } = pair(net, time)
    b.handle('echo', (request) => {
      request.respond({ body: request.body })
    })
    const replies: Reply[] = []
    const unreadable = {
      length: 10,
      read: () => {
        throw new Error('the disk is broken')
      },
      close: () => {}
    }
    a.request({ profile: 'echo', body: unreadable }, (reply) => replies.push(reply))
    a.request({ profile: 'echo', body: Buffer.from('x') }, (reply) => replies.push(reply))
    await time.run({ until: 1000 })
    expect(replies.map(({ kind }) => kind).sort()).to.deep.equal(['error', 'ok'])
    expect(replies.find(({ kind }) => kind === 'error')).to.include({ domain: 'BLIP', code: 501 })
  })

  it('tells both ends when it is closed, after what was asked ended as disconnected', async () => {
    const { time, net } = network(1)
    const { a, b } = pair(net, time)
    const seen: string[] = []
    b.handle('never', () => {})
    a.request({ profile: 'never' }, ({ kind }) => seen.push(kind))
    a.onClosed(({ code }) => seen.push(`a ${code}`))
    b.onClosed(({ code, reason }) => seen.push(`b ${code} ${reason}`))
    b.close(4001, 'later')
    await time.run({ until: 1000 })
    expect(seen).to.have.members(['b 4001 later', 'disconnected', 'a 4001'])
    expect(seen.indexOf('disconnected')).to.be.below(seen.indexOf('a 4001'))
    a.request({ profile: 'late' }, ({ kind }) => seen.push(`late ${kind}`))
    await time.run({ until: 1001 })
    expect(seen.at(-1)).to.equal('late disconnected')
  })

  it('notices by the heartbeat that the other end vanished, and not while it lives', async () => {
    const { time, net } = network(1)
    const { a, b } = pair(net, time, 4000)
    const seen: string[] = []
    a.onClosed(({ code, error }) => seen.push(`${code} at ${Math.round(time.now / 1000)} ${String(error?.message)}`))
    await time.run({ until: 60_000 })
    expect(seen).to.deep.equal([])
    net.vanish(1)
    b.abandon()
    await time.run({ until: 80_000 })
    expect(seen).to.have.length(1)
    expect(seen[0]).to.match(/^1006 at 6\d .*no sign of life/)
  })
})

describe('simulated discovery', () => {
  interface Watcher extends DiscoveryMember {
    readonly sees: Set<string>
  }
  function watcher(host: number, segments: number[] = [0], group = 'g'): Watcher {
    const sees = new Set<string>()
    return {
      host,
      deviceId: `d${host}`,
      displayName: `Device ${host}`,
      group,
      segments: new Set(segments),
      sees,
      found: ({ deviceId }) => sees.add(deviceId),
      lost: ({ deviceId }) => sees.delete(deviceId)
    }
  }

  it('shows members of a group to each other, who share a segment, even when much is lost', async () => {
    const { time, net, random } = network(5)
    const discovery = new SimDiscovery(net, random, 5, { loss: 0.3 })
    const all = [watcher(0), watcher(1), watcher(2, [0, 1]), watcher(3, [1]), watcher(4, [0], 'other')]
    for (const member of all) discovery.join(member)
    await time.run({ until: 10_000 })
    expect(all.map(({ sees }) => [...sees].sort())).to.deep.equal([['d1', 'd2'], ['d0', 'd2'], ['d0', 'd1', 'd3'], ['d2'], []])
    expect(discovery.seenBy(3).map(({ host }) => host)).to.deep.equal([2])
  })

  it('forgets those who say goodbye at once, and those who vanish after their time to live', async () => {
    const { time, net, random } = network(5)
    const discovery = new SimDiscovery(net, random, 3, { ttlMs: 60_000 })
    const all = [watcher(0), watcher(1), watcher(2)] as const
    for (const member of all) discovery.join(member)
    await time.run({ until: 100_000 })
    discovery.leave(1, true)
    net.vanish(2)
    discovery.leave(2, false)
    await time.run({ until: 101_000 })
    expect([...all[0].sees]).to.deep.equal(['d2'])
    await time.run({ until: 200_000 })
    expect([...all[0].sees]).to.deep.equal([])
    net.restore(2)
    discovery.join(all[2])
    await time.run({ until: 201_000 })
    expect([...all[0].sees]).to.deep.equal(['d2'])
  })

  it('forgets across a partition, and sees again after it', async () => {
    const { time, net, random } = network(5)
    const discovery = new SimDiscovery(net, random, 2, { ttlMs: 20_000 })
    const all = [watcher(0), watcher(1)] as const
    for (const member of all) discovery.join(member)
    await time.run({ until: 1000 })
    net.partition(new Map([[1, 1]]))
    await time.run({ until: 60_000 })
    expect(all.map(({ sees }) => sees.size)).to.deep.equal([0, 0])
    net.heal()
    await time.run({ until: 80_000 })
    expect(all.map(({ sees }) => sees.size)).to.deep.equal([1, 1])
  })
})
