import { expect } from 'chai'
import type { ChannelAttachment, ChannelObserver, PeerChannel, RemoteHello } from '@kithmesh/channel'
import type { SocketCloseInfo } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import type { MeshConnection } from '../dist/engine/contracts.js'
import type { LinkEnvironment } from '../dist/link/link-environment.js'
import { LinkConnection } from '../dist/link/link-connection.js'

describe('the state of a link whose connection is open', () => {
  function opened({ trusts = true } = {}): {
    link: LinkConnection
    hello: Deferred<RemoteHello | 'foreign'>
    trusted: Deferred<void>
    observers: Set<ChannelObserver>
    met: unknown[]
    distrusted: unknown[]
    close: (info: SocketCloseInfo) => void
  } {
    const observers = new Set<ChannelObserver>()
    const met: unknown[] = []
    const distrusted: unknown[] = []
    let close: (info: SocketCloseInfo) => void = () => {}
    const [hello, trusted] = [new Deferred<RemoteHello | 'foreign'>(), new Deferred<void>()]
    const attachment = { hello: hello.promise, trusted: trusted.promise, trusts } as unknown as ChannelAttachment
    const connection = {
      blip: {
        onClosed: (listener: typeof close) => {
          close = listener
        }
      },
      direction: 'outgoing',
      standing: 'trusted',
      route: 'direct 127.0.0.1:1',
      quality: 'direct'
    } as unknown as MeshConnection
    const observe = (observer: ChannelObserver): (() => void) => {
      observers.add(observer)
      return () => observers.delete(observer)
    }
    const channel = { attach: () => attachment, observe, mutual: false } as unknown as PeerChannel
    const directions = { push: true, pull: true }
    const environment = { directions, listen: () => {}, listeners: { changed: () => {} } } as unknown as LinkEnvironment
    const link = new LinkConnection(connection, channel, environment, {
      met: (who) => {
        met.push(who)
      },
      trusted: () => {},
      distrusted: (error) => {
        distrusted.push(error)
      },
      ended: () => {}
    })
    link.begin()
    return { link, hello, trusted, observers, met, distrusted, close: (info) => close(info) }
  }
  const hello = { version: 1, session: 's', continued: false, hello: {} } as unknown as RemoteHello

  it('is busy until both have said whether they trust each other, and restricted only when one does not', async () => {
    const { link, met, ...peer } = opened()
    expect(link.state.state).to.equal('busy')
    peer.hello.resolve(hello)
    await peer.hello.promise
    expect([met, link.state.state]).to.deep.equal([[hello], 'busy'])
    peer.trusted.reject(new Error('who are you?'))
    await peer.trusted.promise.catch(() => {})
    expect(link.state.state).to.equal('restricted')
  })

  it('says that the device is not trusted when that was decided before its hello', async () => {
    const { distrusted, ...peer } = opened({ trusts: false })
    const why = new Error('demoted')
    peer.trusted.reject(why)
    await peer.trusted.promise.catch(() => {})
    expect(distrusted).to.deep.equal([])
    peer.hello.resolve(hello)
    await peer.hello.promise
    expect(distrusted).to.deep.equal([why])
  })

  it('watches the channel, which outlives it, for as long as it lasts', () => {
    const { observers, close } = opened()
    expect(observers.size).to.equal(1)
    close({ code: 1006, reason: '', error: undefined, wasClean: false } as unknown as SocketCloseInfo)
    expect(observers.size).to.equal(0)
  })
})
