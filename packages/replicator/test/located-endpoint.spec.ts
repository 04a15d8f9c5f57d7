import { Database } from '@kithmesh/database'
import { KithmeshError, errorCode } from '@kithmesh/core'
import { Replicator, UrlEndpointListener, locatedEndpoint } from '@kithmesh/replicator'
import type { LocatedEndpointOptions, ReplicatorOptions } from '@kithmesh/replicator'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'

describe('the endpoint of a listener that discovery finds', () => {
  let here: Database
  let there: Database
  const listeners: UrlEndpointListener[] = []
  let replicator: Replicator | undefined
  /** Where discovery sees the listener, and who wants to know. */
  let seenAt: string | undefined
  const waiting = new Set<() => void>()

  async function serve(): Promise<UrlEndpointListener> {
    const listener = new UrlEndpointListener({ databases: { shop: there }, host: '127.0.0.1', tls: 'off', authenticator: 'insecure' })
    listeners.push(listener)
    await listener.start()
    return listener
  }
  function see(url: string | undefined): void {
    seenAt = url
    if (url !== undefined) for (const seen of [...waiting]) seen()
  }
  function make(endpoint: Partial<LocatedEndpointOptions> = {}, options: Partial<ReplicatorOptions> = {}): Replicator {
    replicator = new Replicator({
      database: here,
      continuous: true,
      // Only being seen ends a wait.
      maxAttemptWaitMs: 3_600_000,
      endpoint: locatedEndpoint({
        uid: 'the-shop',
        locate: () => Promise.resolve(seenAt === undefined ? undefined : { url: seenAt }),
        onSeen: (seen) => {
          waiting.add(seen)
          return () => waiting.delete(seen)
        },
        ...endpoint
      }),
      ...options
    })
    return replicator
  }

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
    seenAt = undefined
    waiting.clear()
  })
  afterEach(async () => {
    await replicator?.stop()
    for (const listener of listeners.splice(0)) await listener.stop()
    await here.close()
    await there.close()
  })

  it('goes where the listener is now, when it was started again somewhere else', async () => {
    const first = await serve()
    see(first.urls[0])
    const running = make()
    running.start()
    await eventually('the replication to be idle', () => running.status.activity === 'idle')

    see(undefined)
    await first.stop()
    await eventually('the replication to be offline', () => running.status.activity === 'offline')
    here.collection().put('meanwhile', { n: 1 })
    const second = await serve()
    expect(second.port).to.not.equal(first.port)
    see(second.urls[0])
    await eventually('the edit to arrive', () => there.collection().get('meanwhile') !== undefined)
    await eventually('the replication to be idle', () => running.status.activity === 'idle')
    expect(running.status.error).to.equal(undefined)
  })

  it('waits for a listener that is nowhere to be seen', async () => {
    there.collection().put('doc', { n: 1 })
    const running = make()
    running.start()
    await eventually('the replication to be offline', () => running.status.activity === 'offline')
    expect(errorCode(running.status.error?.cause)).to.equal('ERR_REPL_AWAY')
    await eventually('the replicator to wait', () => waiting.size === 1)
    const listener = await serve()
    see(listener.urls[0])
    await eventually('the document to arrive', () => here.collection().get('doc') !== undefined)
    await running.stop()
    expect(waiting.size).to.equal(0)
  })

  it('ends a replication that is not continuous when the listener is away', async () => {
    const running = make({}, { continuous: false })
    running.start()
    const { error } = await running.finished()
    expect(errorCode(error)).to.equal('ERR_REPL_CONNECT')
    expect(errorCode(error?.cause)).to.equal('ERR_REPL_AWAY')
  })

  it('ends with what locate throws, unless that passes', async () => {
    const refusal = new KithmeshError('ERR_APP_NOT_THIS_ONE', 'The application does not want that one')
    const running = make({ locate: () => Promise.reject(refusal) })
    running.start()
    expect((await running.finished()).error?.cause).to.equal(refusal)

    const listener = await serve()
    see(listener.urls[0])
    let tries = 0
    const again = make({
      locate: () => {
        tries += 1
        return tries === 1 ? Promise.reject(new KithmeshError('ERR_PD_RESOLVE_FAILED', 'x')) : Promise.resolve({ url: seenAt! })
      }
    })
    again.start()
    await eventually('the first try to fail', () => again.status.activity === 'offline')
    again.retryNow()
    await eventually('the second try to succeed', () => again.status.activity === 'idle')
  })

  it('is not held up by a locate that never answers', async () => {
    const hanging = make({ locate: () => new Promise(() => {}) }, { connectTimeoutMs: 20, continuous: false, maxAttempts: 1 })
    hanging.start()
    expect(errorCode((await hanging.finished()).error)).to.be.oneOf(['ERR_REPL_TIMEOUT', 'ERR_REPL_CONNECT'])
    const stopped = make({ locate: () => new Promise(() => {}) })
    stopped.start()
    await eventually('the try to begin', () => stopped.status.activity === 'connecting')
    await stopped.stop()
    expect(stopped.status.activity).to.equal('stopped')
  })

  it('uses the addresses that discovery knows for the host', async () => {
    const listener = await serve()
    there.collection().put('doc', { n: 1 })
    const running = make({
      locate: () => Promise.resolve({ url: `ws://shop-till.local:${listener.port}/shop`, addresses: ['127.0.0.1'] })
    })
    running.start()
    await eventually('the document to arrive', () => here.collection().get('doc') !== undefined)
  })

  it('refuses an empty uid, and a URL that cannot be', async () => {
    expect(() => locatedEndpoint({ uid: '', locate: () => Promise.resolve(undefined) })).to.throw(TypeError, 'uid')
    const running = make({ locate: () => Promise.resolve({ url: 'http://127.0.0.1/shop' }) })
    running.start()
    expect((await running.finished()).error?.message).to.include('starts with ws: or wss:')
  })
})
