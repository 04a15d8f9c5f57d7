import { expect } from 'chai'
import { Deferred } from '@kithmesh/core/plugin'
import type { ResolvedUrl } from '@kithmesh/core'
import { DiscoveredPeer } from '../dist/discovered-peer.js'
import { manualClock, rejection } from '@kithmesh/testkit'
import { never, settle } from './fakes.ts'

const there: ResolvedUrl = { url: 'wss://shop.local:4984/db', addresses: ['192.168.1.4'] }

function subject(ask: (signal: AbortSignal) => Promise<ResolvedUrl>) {
  const clock = manualClock()
  const signals: AbortSignal[] = []
  const peer = new DiscoveredPeer(
    {
      provider: 'FAKE',
      clock,
      monitorMetadata: () => {},
      resolveUrl: (_id, { signal }) => {
        signals.push(signal)
        return ask(signal)
      }
    },
    { id: 'p', displayName: 'P' }
  )
  return { clock, peer, signals }
}

describe('Peer.resolveUrl', () => {
  it('answers what the provider found, again and again', async () => {
    const { peer, clock, signals } = subject(async () => there)
    expect(await peer.resolveUrl()).to.deep.equal(there)
    expect(await peer.resolveUrl({ signal: new AbortController().signal })).to.deep.equal(there)
    expect(signals).to.have.length(2)
    expect(clock.pending).to.equal(0)
  })

  it('passes on what the device says of its network', async () => {
    const network = { port: 4984, routes: [] }
    const { peer } = subject(async () => ({ ...there, network }))
    expect(await peer.resolveUrl()).to.deep.equal({ ...there, network })
  })

  it('runs once at a time', async () => {
    const gate = new Deferred<ResolvedUrl>()
    const { peer } = subject(() => gate.promise)
    const first = peer.resolveUrl()
    expect((await rejection(peer.resolveUrl())).code).to.equal('ERR_PD_RESOLVE_BUSY')
    gate.resolve(there)
    await first
    expect(await peer.resolveUrl()).to.deep.equal(there)
  })

  it('is cancelled by its signal, which reaches the provider, and is free again', async () => {
    let answers = 0
    const { peer, clock, signals } = subject(async () => (answers++ === 0 ? await never() : there))
    const abort = new AbortController()
    const result = rejection(peer.resolveUrl({ signal: abort.signal }))
    await settle()
    abort.abort(new Error('enough'))
    expect((await result).message).to.equal('enough')
    expect(signals[0]?.aborted).to.equal(true)
    expect(await peer.resolveUrl()).to.deep.equal(there)
    expect((await rejection(peer.resolveUrl({ signal: abort.signal }))).message).to.equal('enough')
    await settle()
    expect(clock.pending).to.equal(0)
  })

  it('gives up at its deadline and says so', async () => {
    const { peer, clock, signals } = subject(() => never())
    const result = rejection(peer.resolveUrl())
    await clock.advance(10_000)
    const error = await result
    expect(error.code).to.equal('ERR_PD_RESOLVE_FAILED')
    expect(error.cause).to.include({ code: 'ERR_CORE_TIMEOUT' })
    expect(signals[0]?.aborted).to.equal(true)
  })

  it('wraps what the provider throws, also synchronously, and useless answers', async () => {
    const problem = new Error('no SRV record')
    for (const ask of [
      async () => {
        throw problem
      },
      () => {
        throw problem
      }
    ]) {
      const error = await rejection(subject(ask).peer.resolveUrl())
      expect(error.code).to.equal('ERR_PD_RESOLVE_FAILED')
      expect(error.cause).to.equal(problem)
    }
    for (const wrong of [
      undefined,
      { url: '', addresses: [] },
      { url: 'wss:', addresses: [] },
      { url: 'wss://x' },
      { url: 'wss://x', addresses: [1] }
    ]) {
      expect((await rejection(subject(async () => wrong as never).peer.resolveUrl())).code).to.equal('ERR_PD_RESOLVE_FAILED')
    }
  })

  it('fails when the peer leaves meanwhile, and ever after', async () => {
    const { peer, signals } = subject(() => never())
    const result = rejection(peer.resolveUrl())
    await settle()
    peer.leave()
    expect((await result).code).to.equal('ERR_PD_PEER_OFFLINE')
    expect(signals[0]?.aborted).to.equal(true)
    expect((await rejection(peer.resolveUrl())).code).to.equal('ERR_PD_PEER_OFFLINE')
    expect(signals).to.have.length(1)
  })

  it('lets route races share a question, and cancels it only when nobody waits any more', async () => {
    const gate = new Deferred<ResolvedUrl>()
    const { peer, signals } = subject(() => gate.promise)
    const [one, two, application] = [new AbortController(), new AbortController(), new AbortController()]
    const first = rejection(peer.resolveShared(one.signal))
    const second = peer.resolveShared(two.signal)
    const third = rejection(peer.resolveUrl({ signal: application.signal }))
    await settle()
    expect(signals).to.have.length(1)
    one.abort(new Error('one is gone'))
    application.abort(new Error('so is the application'))
    expect((await first).message).to.equal('one is gone')
    expect((await third).message).to.equal('so is the application')
    expect(signals[0]?.aborted).to.equal(false)
    gate.resolve(there)
    expect(await second).to.deep.equal(there)
  })
})
