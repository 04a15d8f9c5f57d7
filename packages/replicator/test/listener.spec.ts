import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { SocketCloseInfo } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import {
  acceptCertificate,
  createCertificateAuthority,
  createIdentity,
  passwordAuthenticator,
  pinnedPeers,
  trustedAuthorities
} from '@kithmesh/identity'
import type { Identity, PeerCertificate } from '@kithmesh/identity'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import type {
  ListenerClient,
  ListenerStatus,
  ReplicatorOptions,
  ReplicatorStatus,
  UrlEndpointListenerOptions,
  UrlEndpointOptions
} from '@kithmesh/replicator'
import { webSocketFactory } from '@kithmesh/transport-direct'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { FrameEncoder, MORE_COMING } from '@kithmesh/blip/wire'

describe('a listener', () => {
  /** Of those that come back at their port: nothing else listens on this address, so that nobody takes it meanwhile. */
  const host = '127.0.68.2'
  let here: Database
  let there: Database
  let authority: Identity
  let certified: Identity
  let selfMade: Identity
  const listeners: UrlEndpointListener[] = []
  const replicators: Replicator[] = []
  const sockets: Socket[] = []

  const listening = (options: Partial<UrlEndpointListenerOptions> = {}): UrlEndpointListener => {
    const listener = new UrlEndpointListener({
      databases: { shop: there },
      host: '127.0.0.1',
      tls: 'off',
      authenticator: 'insecure',
      ...options
    })
    listeners.push(listener)
    return listener
  }
  const serve = async (options: Partial<UrlEndpointListenerOptions> = {}): Promise<UrlEndpointListener> => {
    const listener = listening(options)
    await listener.start()
    return listener
  }
  const replicator = (url: string, endpoint: UrlEndpointOptions = {}, options: Partial<ReplicatorOptions> = {}): Replicator => {
    const made = new Replicator({ database: here, endpoint: urlEndpoint(url, endpoint), maxAttempts: 1, ...options })
    replicators.push(made)
    return made
  }
  const replicate = async (url: string, endpoint: UrlEndpointOptions = {}): Promise<ReplicatorStatus> => {
    const made = replicator(url, endpoint)
    made.start()
    return await made.finished()
  }
  const dialled = async (port: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  /** With or without an error: a reset is as good an end as any. */
  const ended = (socket: Socket): Promise<void> =>
    new Promise((resolve) => {
      if (socket.closed) resolve()
      else
        socket.once('close', () => {
          resolve()
        })
    })
  const failure = async (promise: Promise<unknown>): Promise<{ code: string; message: string; hint: string; cause: { code: string } }> =>
    await promise.then(
      () => {
        throw new Error('it should have failed')
      },
      (error: unknown) => error as never
    )

  before(async () => {
    authority = await createCertificateAuthority({ commonName: 'authority' })
    certified = await createIdentity({ commonName: 'certified', issuer: authority, altNames: ['127.0.0.1'] })
    selfMade = await createIdentity({ commonName: 'self-made' })
  })
  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    for (const each of replicators.splice(0)) await each.stop()
    for (const each of listeners.splice(0)) await each.stop()
    await here.close()
    await there.close()
  })

  describe('with TLS', () => {
    it('shows an identity that clients judge by authority, pin, or being self-signed', async () => {
      const url = async (tls: UrlEndpointListenerOptions['tls']): Promise<string> => {
        const listener = await serve({ tls: tls! })
        expect(listener.urls[0]).to.match(/^wss:/)
        return listener.urls[0]!
      }
      const urls = { certified: await url(certified), selfMade: await url(selfMade), anonymous: await url('self-signed') }
      const trusts = {
        authority: { mode: 'ca', ca: [authority.certificatePem] },
        platform: { mode: 'ca' },
        leaf: { mode: 'pinned', certificate: certified.certificatePem },
        issuer: { mode: 'pinned', certificate: authority.certificateDer },
        selfMade: { mode: 'pinned', certificate: selfMade.certificatePem },
        selfSigned: { mode: 'self-signed' },
        anything: { mode: 'insecure' }
      } as const
      const welcome: Record<string, readonly string[]> = {
        authority: ['certified'],
        platform: [],
        leaf: ['certified'],
        issuer: ['certified'],
        selfMade: ['selfMade'],
        selfSigned: ['selfMade', 'anonymous'],
        anything: ['certified', 'selfMade', 'anonymous']
      }
      for (const [name, trust] of Object.entries(trusts)) {
        for (const [server, address] of Object.entries(urls)) {
          const { error } = await replicate(address, { trust })
          const expected = welcome[name]!.includes(server) ? undefined : 'ERR_REPL_CONNECT'
          expect(error?.code, `${name} judges ${server}: ${error?.message}`).to.equal(expected)
          if (expected !== undefined) expect(error?.cause, `${name} judges ${server}`).to.have.property('code', 'ERR_IDENTITY_UNTRUSTED')
        }
      }
    })

    it('keeps its self-made identity over a restart, and none without TLS', async () => {
      const listener = await serve({ tls: 'self-signed' })
      const { identity } = listener
      expect(identity?.commonName).to.equal('Kithmesh')
      await listener.stop()
      await listener.start()
      expect(listener.identity?.peerId).to.equal(identity?.peerId)
      expect((await serve()).identity).to.equal(undefined)
    })

    it('is told in time that the server has no TLS, or has', async () => {
      const plain = await serve()
      expect((await replicate(plain.urls[0]!.replace('ws:', 'wss:'), { trust: { mode: 'insecure' } })).error?.code).to.equal(
        'ERR_REPL_CONNECT'
      )
      const secure = await serve({ tls: 'self-signed' })
      expect((await replicate(secure.urls[0]!.replace('wss:', 'ws:'))).error?.code).to.equal('ERR_REPL_CONNECT')
    })
  })

  describe('lets in', () => {
    it('clients with a certificate of its authorities, with their name', async () => {
      const listener = await serve({ tls: 'self-signed', authenticator: trustedAuthorities([authority.certificatePem]) })
      const clients: ListenerClient[] = []
      listener.onConnection((_replication, client) => {
        clients.push(client)
      })
      const trust = { mode: 'self-signed' } as const
      const url = listener.urls[0]!
      expect((await replicate(url, { trust, identity: certified })).error).to.equal(undefined)
      expect((await replicate(url, { trust, identity: selfMade })).error?.code).to.equal('ERR_REPL_CONNECT')
      expect((await replicate(url, { trust })).error?.code).to.equal('ERR_REPL_CONNECT')
      expect(clients).to.have.length(1)
      expect(clients[0]).to.include({ database: 'shop', user: undefined })
      expect(clients[0]?.remote).to.match(/^127\.0\.0\.1:\d+$/)
      expect(clients[0]?.certificate).to.include({ commonName: 'certified', peerId: certified.peerId })
    })

    it('whom a callback accepts, which sees chains that nobody verified', async () => {
      const seen: PeerCertificate[] = []
      const listener = await serve({
        tls: 'self-signed',
        authenticator: acceptCertificate((peer) => {
          seen.push(peer)
          return peer.commonName === 'self-made'
        })
      })
      const trust = { mode: 'self-signed' } as const
      expect((await replicate(listener.urls[0]!, { trust, identity: selfMade })).error).to.equal(undefined)
      expect((await replicate(listener.urls[0]!, { trust, identity: certified })).error?.code).to.equal('ERR_REPL_CONNECT')
      expect(seen.map(({ commonName, role }) => `${role} ${commonName}`)).to.deep.equal(['client self-made', 'client certified'])
    })

    it('users by password, also with an authenticator that throws or is slow', async () => {
      const listener = await serve({
        authenticator: passwordAuthenticator(async (user, password) => {
          await new Promise((resolve) => setImmediate(resolve))
          if (user === 'broken') throw new Error('the directory is down')
          return user === 'änna' && password === 'geh:eim'
        })
      })
      const users: (string | undefined)[] = []
      listener.onConnection((_replication, { user }) => {
        users.push(user)
      })
      const url = listener.urls[0]!
      const login = async (username: string, password: string): Promise<string | undefined> =>
        (await replicate(url, { basicAuth: { username, password } })).error?.code
      expect(await login('änna', 'geh:eim')).to.equal(undefined)
      expect(await login('änna', 'geheim')).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(await login('broken', 'x')).to.equal('ERR_REPL_UNAUTHORIZED')
      expect((await replicate(url)).error?.code).to.equal('ERR_REPL_UNAUTHORIZED')
      expect(users).to.deep.equal(['änna'])
    })

    it('nobody with a rate of tries that lets nothing through', () => {
      expect(() => listening({ loginTries: { burst: 0, perMinute: 1 } })).to.throw(TypeError, 'burst')
    })

    it('nobody with limits that make no sense', () => {
      for (const wrong of [{ heartbeatMs: 0 }, { handshakeTimeoutMs: NaN }, { maxConnections: -1 }, { maxConnectionsPerAddress: NaN }])
        expect(() => listening(wrong), JSON.stringify(wrong)).to.throw(TypeError, Object.keys(wrong)[0])
    })

    it('nobody who pulls where nothing is pushed', async () => {
      const { urls } = await serve({ allowPush: false })
      here.collection().put('a', {})
      const pulling = replicator(urls[0]!, {}, { type: 'pull' })
      pulling.start()
      expect((await pulling.finished()).error?.details).to.include({ code: 403 })
      const pushing = replicator(urls[0]!, {}, { type: 'push' })
      pushing.start()
      expect((await pushing.finished()).error).to.equal(undefined)
      expect(there.collection().count).to.equal(1)
    })

    it('nobody by certificate without TLS', () => {
      expect(() => listening({ authenticator: pinnedPeers([selfMade.peerId]) })).to.throw(TypeError, 'needs TLS')
    })
  })

  describe('listens', () => {
    it('on the addresses of an interface, and names only those', async () => {
      const [name, addresses] = Object.entries(networkInterfaces()).find(([, list]) =>
        list?.some(({ address }) => address === '127.0.0.1')
      )!
      const listener = new UrlEndpointListener({
        databases: { shop: there },
        networkInterface: name,
        tls: 'off',
        authenticator: 'insecure'
      })
      listeners.push(listener)
      expect(listener.urls).to.deep.equal([])
      expect(listener.port).to.equal(undefined)
      await listener.start()
      expect(listener.urls).to.deep.equal(
        addresses!.map(({ address }) => `ws://${address.includes(':') ? `[${address}]` : address}:${listener.port}/shop`)
      )
      for (const url of listener.urls) expect((await replicate(url)).error).to.equal(undefined)
    })

    it('not on one that is missing, nor on host and interface together', async () => {
      const listener = new UrlEndpointListener({
        databases: { shop: there },
        networkInterface: 'nonesuch9',
        tls: 'off',
        authenticator: 'insecure'
      })
      const error = await failure(listener.start())
      expect(error.code).to.equal('ERR_REPL_LISTEN')
      expect(error.message).to.contain('"nonesuch9"')
      expect(error.cause.code).to.equal('ERR_DIRECT_INTERFACE')
      expect(() => listening({ networkInterface: 'lo' })).to.throw(TypeError, 'exclude each other')
    })

    it('on a port as soon as it is free, a failed start having left nothing', async () => {
      const first = await serve({ host })
      const second = listening({ host, port: first.port!, tls: 'self-signed' })
      const error = await failure(second.start())
      expect(error.code).to.equal('ERR_REPL_LISTEN')
      expect(error.message).to.contain(`${first.port}`)
      expect(error.hint).to.contain('another port')
      expect(second.port).to.equal(undefined)
      expect(second.urls).to.deep.equal([])
      const { port } = first
      await first.stop()
      await second.start()
      await second.start()
      expect(second.port).to.equal(port)
      expect((await replicate(second.urls[0]!, { trust: { mode: 'self-signed' } })).error).to.equal(undefined)
    })

    it('for several databases, each at its path', async () => {
      const other = await Database.open(':memory:')
      try {
        other.collection('items', 'store', { create: true })
        const listener = await serve({
          databases: { shop: there, 'my tools/ü': { database: other, collections: [{ scope: 'store', name: 'items' }] } }
        })
        expect(listener.urls).to.deep.equal(['shop', 'my%20tools%2F%C3%BC'].map((path) => `ws://127.0.0.1:${listener.port}/${path}`))
        here.collection('items', 'store', { create: true }).put('pen', {})
        here.collection().put('doc', {})
        const clients: string[] = []
        listener.onConnection((_replication, { database }) => {
          clients.push(database)
        })
        expect((await replicate(listener.urls[0]!)).error).to.equal(undefined)
        const items = replicator(listener.urls[1]!, {}, { collections: [{ scope: 'store', name: 'items' }] })
        items.start()
        expect((await items.finished()).error).to.equal(undefined)
        expect(there.collection().get('doc')).to.not.equal(undefined)
        expect(other.collection('items', 'store').get('pen')).to.not.equal(undefined)
        expect((await replicate(listener.urls[1]!)).error?.code).to.equal('ERR_REPL_COLLECTION_MISSING')
        for (const path of ['nothing', '', 'shop/more', '%E0%A4%A'])
          expect((await replicate(`ws://127.0.0.1:${listener.port}/${path}/x`)).error?.code, path).to.equal('ERR_REPL_NOT_FOUND')
        expect(clients).to.deep.equal(['shop', 'my tools/ü', 'my tools/ü'])
      } finally {
        await listeners.pop()!.stop()
        await other.close()
      }
    })
  })

  describe('counts', () => {
    it('connections and the active ones, telling each change once', async () => {
      const listener = await serve()
      const told: ListenerStatus[] = []
      const end = listener.onStatus((status) => {
        told.push(status)
      })
      const live = replicator(listener.urls[0]!, {}, { continuous: true })
      live.start()
      await eventually('idle', () => live.status.activity === 'idle' && listener.status.activeConnectionCount === 0)
      await live.stop()
      await eventually('no connection', () => listener.status.connectionCount === 0)
      expect(told[0]).to.deep.equal({ connectionCount: 1, activeConnectionCount: 1 })
      expect(told).to.deep.include({ connectionCount: 1, activeConnectionCount: 0 })
      expect(told.at(-1)).to.deep.equal({ connectionCount: 0, activeConnectionCount: 0 })
      told.forEach((status, index) => {
        if (index > 0) expect(status).to.not.deep.equal(told[index - 1])
      })
      end()
      const before = told.length
      await replicate(listener.urls[0]!)
      expect(told).to.have.length(before)
    })
  })

  describe('stops', () => {
    it('telling clients to come back, who do when it is there again', async () => {
      const listener = await serve({ host })
      const port = listener.port!
      const live = replicator(listener.urls[0]!, {}, { continuous: true, maxAttempts: Infinity })
      live.start()
      await eventually('idle', () => live.status.activity === 'idle')
      await Promise.all([listener.stop(), listener.stop()])
      expect(listener.status).to.deep.equal({ connectionCount: 0, activeConnectionCount: 0 })
      expect(listener.port).to.equal(undefined)
      await eventually('offline', () => live.status.activity === 'offline')
      expect(live.status.error?.details).to.include({ code: 4001 })
      const again = await serve({ host, port })
      live.retryNow()
      await eventually('idle again', () => live.status.activity === 'idle')
      expect(again.status.connectionCount).to.equal(1)
    })

    it('for good with 1001: one-shot replicators end, continuous ones wait', async () => {
      const listener = await serve()
      const live = replicator(listener.urls[0]!, {}, { continuous: true, maxAttempts: Infinity })
      live.start()
      await eventually('idle', () => live.status.activity === 'idle')
      await listener.stop({ code: 1001 })
      await eventually('offline', () => live.status.activity === 'offline')
      expect(live.status.error?.details).to.include({ code: 1001 })
    })

    it('with the answers to all that it stored sent', async () => {
      const total = 6_000
      for (let n = 0; n < total; n++) here.collection().put(`d${n}`, { n, text: 'x'.repeat(500) })
      const listener = await serve({ host })
      const port = listener.port!
      let stopped: Promise<void> | undefined
      listener.onConnection((replication) => {
        replication.onDocuments(() => {
          stopped ??= listener.stop()
        })
      })
      const one = replicator(listener.urls[0]!, {}, { type: 'push', maxAttempts: 5 })
      one.start()
      await eventually('offline', () => one.status.activity === 'offline')
      await stopped
      const stored = there.collection().count
      expect(stored).to.be.within(1, total - 1)
      expect(one.statistics.documentsPushed).to.equal(stored)
      await serve({ host, port })
      one.retryNow()
      expect((await one.finished()).error).to.equal(undefined)
      expect(there.collection().count).to.equal(total)
      expect(one.statistics.documentsPushed).to.equal(total)
    })

    it('within its deadline when a client is silent', async () => {
      const clock = manualClock()
      const listener = await serve({ clock })
      const socket = await dialled(listener.port!)
      socket.write(
        'GET /shop/_blipsync HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
          'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: BLIP_3+CBMobile_3\r\n\r\n'
      )
      await eventually('the connection', () => listener.status.connectionCount === 1)
      socket.pause()
      let stopped = false
      void listener.stop().then(() => {
        stopped = true
      })
      for (let second = 0; second < 7 && !stopped; second++) await clock.advance(1_000)
      expect(stopped).to.equal(true)
      expect(clock.pending).to.equal(0)
      expect(listener.status.connectionCount).to.equal(0)
    })
  })

  describe('is not held up by', () => {
    it('clients that send nothing, or their request letter by letter', async () => {
      for (const tls of ['off', 'self-signed'] as const) {
        const listener = await serve({ tls, handshakeTimeoutMs: 300 })
        const silent = await dialled(listener.port!)
        const slow = await dialled(listener.port!)
        slow.write(tls === 'off' ? 'GET /shop/_bl' : Buffer.from([22, 3, 1, 2]))
        const letters = setInterval(() => {
          if (!slow.destroyed) slow.write(tls === 'off' ? 'i' : Buffer.from([1]))
        }, 50)
        try {
          expect((await replicate(listener.urls[0]!, { trust: { mode: 'self-signed' } })).error).to.equal(undefined)
          await ended(silent)
          await ended(slow)
        } finally {
          clearInterval(letters)
        }
      }
    })

    it('an authenticator that never answers', async () => {
      const listener = await serve({
        authenticator: passwordAuthenticator((user) => (user === 'good' ? true : new Promise<boolean>(() => {}))),
        handshakeTimeoutMs: 300
      })
      const url = listener.urls[0]!
      const stuck = replicate(url, { basicAuth: { username: 'stuck', password: '' } })
      expect((await replicate(url, { basicAuth: { username: 'good', password: '' } })).error).to.equal(undefined)
      expect((await stuck).error?.code).to.equal('ERR_REPL_CONNECT')
    })

    it('somebody who tries passwords, of whom it answers a few and then some a minute, and asks nobody about the rest', async () => {
      const clock = manualClock()
      const asked: string[] = []
      const listener = await serve({
        clock,
        loginTries: { burst: 3, perMinute: 2 },
        authenticator: passwordAuthenticator((user, password, origin) => {
          asked.push(`${user}@${origin.address}`)
          return password === 'right'
        })
      })
      const from = async (localAddress: string, password: string | undefined): Promise<string> => {
        const socket = connect({ port: listener.port!, host: '127.0.0.1', localAddress })
        sockets.push(socket)
        socket.on('error', () => {})
        const login = password === undefined ? '' : `Authorization: Basic ${Buffer.from(`ann:${password}`).toString('base64')}\r\n`
        socket.write(`GET /shop/_blipsync HTTP/1.1\r\nHost: x\r\n${login}\r\n`)
        const [answer] = (await once(socket, 'data')) as [Buffer]
        socket.destroy()
        return answer.toString('latin1').slice(9, 12) + (/Retry-After: \d+/.exec(answer.toString('latin1'))?.[0] ?? '')
      }
      expect(await from('127.0.0.2', undefined), 'who names no login is asked for one, and spends nothing').to.equal('401')
      const atOnce = await Promise.all(Array.from({ length: 9 }, (_, index) => from('127.0.0.2', `guess ${index}`)))
      expect(atOnce.filter((status) => status === '401')).to.have.length(3)
      expect(atOnce.filter((status) => status === '429Retry-After: 30')).to.have.length(6)
      expect(asked.splice(0)).to.deep.equal(Array.from({ length: 3 }, () => 'ann@127.0.0.2'))
      expect(await from('127.0.0.2', 'right'), 'nor is the right one looked at, or it could be told from the others').to.match(/^429/)
      for (let index = 0; index < 5; index++) expect(await from('127.0.0.3', 'right'), 'others, as often as they like').to.equal('426')
      await clock.advance(30_000)
      expect(await from('127.0.0.2', 'right'), 'and the same address when a try has come back').to.equal('426')
      expect(await from('127.0.0.2', 'wrong')).to.equal('401')
      expect(await from('127.0.0.2', 'wrong')).to.match(/^429/)
    })

    it('more connections than it takes', async () => {
      const listener = await serve({ maxConnections: 2 })
      const [first, second] = [await dialled(listener.port!), await dialled(listener.port!)]
      const third = await dialled(listener.port!)
      await ended(third)
      expect(first.destroyed || second.destroyed).to.equal(false)
      first.destroy()
      await eventually('its place to be free', async () => (await replicate(listener.urls[0]!)).error === undefined)
    })

    it('one address, of which it takes only so many connections', async () => {
      const listener = await serve({ maxConnectionsPerAddress: 1 })
      const first = await dialled(listener.port!)
      await ended(await dialled(listener.port!))
      expect(first.destroyed).to.equal(false)
    })

    it('a client that is silent and does not answer when it is probed', async () => {
      const clock = manualClock()
      const listener = await serve({ clock, heartbeatMs: 10_000 })
      // Nobody attaches to it, so that it reads nothing.
      const client = await webSocketFactory().open(`${listener.urls[0]!}/_blipsync`, {
        signal: AbortSignal.timeout(5_000),
        protocols: ['BLIP_3+CBMobile_3']
      })
      try {
        await eventually('the connection', () => listener.status.connectionCount === 1)
        await clock.advance(10_000)
        expect(listener.status.connectionCount).to.equal(1)
        await clock.advance(9_000)
        await eventually('the end', () => listener.status.connectionCount === 0)
      } finally {
        client.terminate()
      }
    })

    it('a client that makes it hold too much: others get 503 meanwhile, and it is cut above the limit', async () => {
      const listener = await serve({ maxBufferedBytes: 400_000 })
      const url = listener.urls[0]!
      const socket = await webSocketFactory().open(`${url}/_blipsync`, {
        signal: AbortSignal.timeout(30_000),
        protocols: ['BLIP_3+CBMobile_3']
      })
      let end: SocketCloseInfo | undefined
      socket.attach({
        message() {},
        drained() {},
        closed: (info) => {
          end = info
        }
      })
      const encoder = new FrameEncoder()
      const piece = (number: number): void => {
        socket.send(encoder.encode(number, MORE_COMING, 'Profile\0getCollections\0', Buffer.alloc(100_000)))
      }
      for (const number of [1, 2, 3]) piece(number)
      let refused: ReplicatorStatus
      do refused = await replicate(url)
      while (refused.error === undefined)
      expect(refused.error.code).to.equal('ERR_REPL_HTTP')
      expect(refused.error.details).to.include({ status: 503 })
      for (const number of [4, 5]) piece(number)
      await eventually('the end', () => end !== undefined)
      expect(end?.code).to.equal(4001)
      expect((await replicate(url)).error).to.equal(undefined)
    })
  })
})
