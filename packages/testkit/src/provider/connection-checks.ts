import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import type { ByteSocket, ProviderCapabilities, ResolvedUrl, SocketFactory } from '@kithmesh/core'
import { assertCode } from '../explain.ts'
import { needing } from '../runner.ts'
import type { DeclaringRunner } from '../runner.ts'
import type { ProviderBench, Subject } from './bench.ts'
import { inEveryState } from './lifecycle-checks.ts'

const never = (): AbortSignal => new AbortController().signal

/** From a sighting to a socket. */
export function connectionChecks(bench: () => ProviderBench, runner: DeclaringRunner, capabilities: Readonly<ProviderCapabilities>): void {
  const { describe, it } = runner
  const resolve = (subject: Subject, id: string): Promise<ResolvedUrl> =>
    bench().settles(subject.provider.resolveUrl(id, { signal: never() }), 'resolveUrl')

  const leadsTo = async (subject: Subject, id: string, port: string): Promise<void> => {
    const { url } = await resolve(subject, id)
    assert.ok(URL.canParse(url), `${JSON.stringify(url)} is no URL`)
    assert.equal(new URL(url).port, port, `${url} has not the published port, ${port}`)
  }

  describe('resolveUrl', () => {
    it('gives a URL with scheme and host that the socket factory understands', async () => {
      const subject = await bench().browser()
      await bench().service('shop', { port: 14_984 })
      const { id } = await bench().finds(subject, 'shop')
      const { url, addresses } = await resolve(subject, id)
      assert.ok(URL.canParse(url), `${JSON.stringify(url)} is no URL; one begins with its scheme, as in wss://192.0.2.1:4984/db`)
      const parsed = new URL(url)
      assert.notEqual(parsed.host, '', `${url} has no host`)
      assert.ok(Array.isArray(addresses), 'addresses is no array; it may be empty')
      for (const address of capabilities.suppliesSocketFactory ? [] : addresses)
        assert.notEqual(isIP(address), 0, `addresses has ${JSON.stringify(address)}: it holds IP addresses, the port is the URL's`)
      const schemes = capabilities.suppliesSocketFactory ? (subject.provider.socketFactory()?.schemes ?? []) : ['ws', 'wss']
      assert.ok(schemes.includes(parsed.protocol.slice(0, -1)), `${url} is none of ${schemes.join(', ')}`)
      if (!capabilities.suppliesSocketFactory) await leadsTo(subject, id, '14984')
    })
    it('can be called again, and for several peers at once', async () => {
      const subject = await bench().browser()
      await bench().service('alpha', { port: 1001 })
      await bench().service('beta', { port: 1002 })
      const ids = [(await bench().finds(subject, 'alpha')).id, (await bench().finds(subject, 'beta')).id]
      const first = await Promise.all(ids.map((id) => resolve(subject, id)))
      const second = await Promise.all(ids.map((id) => resolve(subject, id)))
      assert.deepEqual(
        second.map(({ url }) => url),
        first.map(({ url }) => url),
        'resolveUrl gave other URLs the second time'
      )
      assert.notEqual(first[0]?.url, first[1]?.url, `two services with the ports 1001 and 1002 have the same URL, ${first[0]?.url}`)
    })
    {
      const { it } = needing(
        runner,
        capabilities.publishes && !capabilities.suppliesSocketFactory,
        'the provider does not publish plain URLs of its own'
      )
      it('gives the new port of a service that returned under its old name', async () => {
        const subject = await bench().browser()
        const publisher = bench().subject()
        await bench().publish(publisher, 'shop', { port: 1001 })
        const { id } = await bench().finds(subject, 'shop')
        await leadsTo(subject, id, '1001')
        await bench().settles(publisher.provider.stopPublishing(), 'stopPublishing')
        if (capabilities.reportsDisappearance) await bench().loses(subject, id)
        await bench().publish(publisher, 'shop', { port: 1002 })
        const again = await bench().finds(subject, 'shop')
        await leadsTo(subject, again.id, '1002')
      })
    }
    inEveryState(bench, runner, capabilities.publishes, 'rejects an unknown id with a code', async (subject) => {
      const error = await bench().rejection(subject.provider.resolveUrl('nobody', { signal: never() }), 'resolveUrl of an unknown id')
      assertCode(error, 'resolveUrl')
    })
    {
      const { it } = needing(runner, capabilities.reportsDisappearance, 'the provider does not report that peers vanish')
      it('rejects the id of a lost peer', async () => {
        const subject = await bench().browser()
        const service = await bench().service('shop')
        const { id } = await bench().finds(subject, 'shop')
        await service.withdraw()
        await bench().loses(subject, id)
        const error = await bench().rejection(subject.provider.resolveUrl(id, { signal: never() }), 'resolveUrl of a lost id')
        assertCode(error, 'resolveUrl')
      })
    }
    it('rejects with the reason of a signal that has aborted', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      const reason = new Error('changed my mind')
      assert.equal(
        await bench().rejection(
          subject.provider.resolveUrl(id, { signal: AbortSignal.abort(reason) }),
          'resolveUrl with an aborted signal'
        ),
        reason,
        'it did not reject with signal.reason'
      )
      await resolve(subject, id)
    })
    it('is cancelled by its signal, unless it was quicker', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      const reason = new Error('changed my mind')
      const controller = new AbortController()
      const pending = subject.provider.resolveUrl(id, { signal: controller.signal })
      controller.abort(reason)
      const outcome = await bench().settles(
        pending.then(
          () => reason,
          (error: unknown) => error
        ),
        'resolveUrl'
      )
      assert.equal(outcome, reason, 'it did not reject with signal.reason')
      await resolve(subject, id)
    })
  })

  describe('socket factory', () => {
    inEveryState(
      bench,
      runner,
      capabilities.publishes,
      capabilities.suppliesSocketFactory ? 'is there' : 'is not there',
      async (subject) => {
        const factory = subject.provider.socketFactory()
        if (!capabilities.suppliesSocketFactory) {
          assert.equal(factory, undefined, 'there is a socket factory, and the capability suppliesSocketFactory is false')
          return
        }
        assert.ok(factory !== undefined, 'socketFactory() is undefined, and the capability suppliesSocketFactory is true')
        assert.ok(factory.framing === 'bytes' || factory.framing === 'messages', 'framing is neither bytes nor messages')
        assert.ok(
          factory.schemes.length > 0 && factory.schemes.every((scheme) => /^[a-z][a-z0-9+.-]*$/.test(scheme)),
          'schemes are names in lower case without a colon'
        )
      },
      (state) => state !== 'shut down'
    )
  })

  if (!capabilities.incomingConnections) {
    describe('incoming connections', () => {
      it('are never reported', async () => {
        const service = await bench().service('shop')
        const subject = await bench().browser()
        const { id } = await bench().finds(subject, 'shop')
        await resolve(subject, id)
        assert.deepEqual(
          service.subject?.context.events.filter((event) => event.type === 'incoming') ?? [],
          [],
          'an incoming connection was reported, and the capability incomingConnections is false'
        )
      })
    })
  }
  const incoming = capabilities.incomingConnections && capabilities.publishes && capabilities.suppliesSocketFactory
  incomingChecks(bench, needing(runner, incoming, 'the provider takes no connections of its own'))
}

function incomingChecks(bench: () => ProviderBench, { describe, it }: DeclaringRunner): void {
  const dial = async (from: Subject, name: string): Promise<ByteSocket> => {
    const { id } = await bench().finds(from, name)
    const { url, addresses } = await bench().settles(from.provider.resolveUrl(id, { signal: never() }), 'resolveUrl')
    const factory = from.provider.socketFactory() as SocketFactory
    assert.equal(factory.framing, 'bytes', 'incoming connections are byte sockets, so the factory must make such, too')
    const socket = (await bench().settles(factory.open(url, { signal: never(), addresses }), 'open')) as ByteSocket
    socket.on('error', () => {})
    return socket
  }

  describe('incoming connections', () => {
    it('reach the context and carry bytes both ways', async () => {
      const subject = await bench().browser()
      const publisher = bench().subject()
      publisher.context.acceptIncoming = (_id, socket) => {
        socket.on('error', () => {})
        socket.pipe(socket)
        return true
      }
      await bench().publish(publisher, 'shop')
      const socket = await dial(subject, 'shop')
      try {
        const received: Buffer[] = []
        socket.on('data', (chunk: Buffer) => {
          received.push(chunk)
        })
        socket.write('round trip')
        await bench().eventually('the echo', () => Buffer.concat(received).toString() === 'round trip')
      } finally {
        socket.destroy()
      }
    })
    it('are destroyed when nobody wants them', async () => {
      const subject = await bench().browser()
      const publisher = bench().subject()
      let refused: ByteSocket | undefined
      publisher.context.acceptIncoming = (_id, socket) => {
        socket.on('error', () => {})
        refused = socket
        return false
      }
      await bench().publish(publisher, 'shop')
      const socket = await dial(subject, 'shop')
      socket.resume()
      try {
        await bench().eventually('the refused socket to be destroyed', () => refused?.destroyed)
        await bench().eventually('the caller to notice', () => socket.destroyed || socket.readableEnded)
      } finally {
        socket.destroy()
        refused?.destroy()
      }
    })
    it('are no longer taken after stopPublishing', async () => {
      const subject = await bench().browser()
      const publisher = bench().subject()
      await bench().publish(publisher, 'shop')
      const { id } = await bench().finds(subject, 'shop')
      const { url, addresses } = await bench().settles(subject.provider.resolveUrl(id, { signal: never() }), 'resolveUrl')
      await bench().settles(publisher.provider.stopPublishing(), 'stopPublishing')
      const factory = subject.provider.socketFactory() as SocketFactory
      const outcome = await bench().settles(
        factory.open(url, { signal: never(), addresses, protocols: [] }).then(
          (socket) => {
            ;(socket as ByteSocket).on('error', () => {}).destroy()
            return 'open'
          },
          () => 'refused'
        ),
        'open'
      )
      assert.equal(outcome, 'refused', 'a connection was taken after stopPublishing')
      assert.deepEqual(
        publisher.context.events.filter((event) => event.type === 'incoming'),
        []
      )
    })
  })
}
