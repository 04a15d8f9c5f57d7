import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { Database } from '@kithmesh/database'
import { createIdentity, trustedAuthorities } from '@kithmesh/identity'
import { Replicator, UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import type { ReplicatorOptions, UrlEndpointListenerOptions, UrlEndpointOptions } from '@kithmesh/replicator'
import type { OpenedConnection } from '@kithmesh/transport-direct'
import { eventually, manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'

/** Passes bytes on, until it becomes a black hole: connections stay open and nothing comes through any more. */
class Tunnel {
  readonly server: Server
  readonly sockets: Socket[] = []
  blackHole = false
  bytesBack = 0

  constructor(target: number) {
    this.server = createServer((near) => {
      const far = connect(target, '127.0.0.1')
      for (const [from, to] of [
        [near, far],
        [far, near]
      ] as const) {
        this.sockets.push(from)
        from.on('error', () => {})
        from.on('data', (data) => {
          if (this.blackHole) return
          if (from === far) this.bytesBack += data.length
          to.write(data)
        })
        from.on('close', () => {
          if (!this.blackHole) to.destroy()
        })
      }
    })
  }

  async open(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }
}

describe('the endpoint of a URL', () => {
  let here: Database
  let there: Database
  let listener: UrlEndpointListener
  let replicator: Replicator | undefined
  let tunnel: Tunnel | undefined

  const serve = async (options: Partial<UrlEndpointListenerOptions> = {}): Promise<string> => {
    listener = new UrlEndpointListener({ databases: { shop: there }, host: '127.0.0.1', tls: 'off', authenticator: 'insecure', ...options })
    await listener.start()
    return listener.urls[0]!
  }
  const make = (url: string, endpoint: UrlEndpointOptions = {}, options: Partial<ReplicatorOptions> = {}): Replicator => {
    replicator = new Replicator({ database: here, endpoint: urlEndpoint(url, endpoint), ...options })
    return replicator
  }

  beforeEach(async () => {
    here = await Database.open(':memory:')
    there = await Database.open(':memory:')
  })
  afterEach(async () => {
    tunnel?.close()
    tunnel = undefined
    await replicator?.stop()
    await listener.stop()
    await here.close()
    await there.close()
  })

  it('connects from the interface or address that was chosen', async () => {
    const url = await serve()
    const remotes: string[] = []
    listener.onConnection((_replication, { remote }) => {
      remotes.push(remote)
    })
    const one = make(url, { networkInterface: '127.0.0.5' })
    one.start()
    expect((await one.finished()).error).to.equal(undefined)
    expect(remotes).to.have.length(1)
    expect(remotes[0]).to.match(/^127\.0\.0\.5:/)
  })

  it('fails at once when that interface is missing, and waits for it when continuous', async () => {
    const url = await serve()
    const one = make(url, { networkInterface: 'nonesuch9' })
    one.start()
    const { error } = await one.finished()
    expect(error?.code).to.equal('ERR_REPL_CONNECT')
    expect(error?.message).to.contain('"nonesuch9"')
    expect(error?.cause).to.have.property('code', 'ERR_DIRECT_INTERFACE')
    const live = make(url, { networkInterface: 'nonesuch9' }, { continuous: true })
    live.start()
    await eventually('offline', () => live.status.activity === 'offline')
    expect(live.status.error?.cause).to.have.property('code', 'ERR_DIRECT_INTERFACE')
  })

  it('probes a silent peer, keeps one that answers and drops one that does not', async () => {
    await serve()
    tunnel = new Tunnel(listener.port!)
    const clock = manualClock()
    const url = `ws://127.0.0.1:${await tunnel.open()}/shop`
    const live = make(url, {}, { continuous: true, heartbeatMs: 60_000, clock })
    live.start()
    await eventually('idle', () => live.status.activity === 'idle')
    // After something came it looks once more a heartbeat later, and pings when there was nothing since.
    for (let probes = 0; probes < 3; probes++) {
      const before = tunnel.bytesBack
      // In small steps, of which each reads what has arrived, so that the answer comes before its time is over.
      for (let step = 0; step < 1_000 && tunnel.bytesBack === before; step++) await clock.advance(250)
      expect(tunnel.bytesBack).to.be.greaterThan(before)
      expect(live.status.activity).to.equal('idle')
    }
    tunnel.blackHole = true
    for (let second = 0; second < 200 && live.status.activity === 'idle'; second++) await clock.advance(1_000)
    await eventually('offline', () => live.status.activity === 'offline')
    expect(live.status.error?.code).to.equal('ERR_REPL_CLOSED')
    expect(live.status.error?.cause).to.have.property('code', 'ERR_WS_PONG_TIMEOUT')
    tunnel.blackHole = false
    live.retryNow()
    await eventually('idle again', () => live.status.activity === 'idle')
  })

  it('shows a certificate of its own, and hands out that of the server', async () => {
    const server = await createIdentity({ commonName: 'server' })
    const client = await createIdentity({ commonName: 'client' })
    const url = await serve({ tls: server, authenticator: trustedAuthorities([client.certificatePem]) })
    const opened: OpenedConnection[] = []
    const one = make(url, {
      identity: client,
      trust: { mode: 'pinned', certificate: server.certificateDer },
      onOpened: (connection) => {
        opened.push(connection)
      }
    })
    one.start()
    expect((await one.finished()).error).to.equal(undefined)
    expect(opened).to.have.length(1)
    expect(opened[0]?.peer?.certificateDer.equals(server.certificateDer)).to.equal(true)
    expect(opened[0]?.responseHeaders['server']).to.equal('Kithmesh')
  })

  it('refuses URLs that name no database, or are for something else', async () => {
    await serve()
    for (const wrong of ['http://127.0.0.1/db', 'ws://127.0.0.1', 'wss://127.0.0.1/', 'not a URL'])
      expect(() => urlEndpoint(wrong), wrong).to.throw(TypeError)
    expect(urlEndpoint('wss://user:secret@host:4984/db/')).to.include({ uid: 'wss://host:4984/db', description: 'wss://host:4984/db' })
  })
})
