import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import fc from 'fast-check'
import { createPeerDiscovery, deviceIdFromMetadata, peerIdMetadata, toMetadata } from '@kithmesh/core'
import type { PeerDiscovery } from '@kithmesh/core'
import { Deferred } from '@kithmesh/core/plugin'
import { manualClock, recordingLogger, rejection } from '@kithmesh/testkit'
import type { ManualClock, RecordingLogger } from '@kithmesh/testkit'
import { FakeProvider, RecordingObserver, THEM, US, logged, never, settle, thrown } from './fakes.ts'

describe('PeerDiscovery', () => {
  let clock: ManualClock
  let logger: RecordingLogger
  let observer: RecordingObserver
  let open: PeerDiscovery[]

  beforeEach(() => {
    clock = manualClock()
    logger = recordingLogger()
    observer = new RecordingObserver()
    open = []
  })

  afterEach(async () => {
    for (const discovery of open) {
      const done = discovery.shutdown().catch(() => {})
      await clock.advance(60_000)
      await done
    }
    expect(clock.pending, 'timers left behind').to.equal(0)
  })

  function compose(...providers: FakeProvider[]): PeerDiscovery {
    const discovery = createPeerDiscovery({
      peerGroupId: 'test',
      localPeerId: US,
      providers: providers.map(({ factory }) => factory),
      clock,
      logger
    })
    discovery.addObserver(observer)
    open.push(discovery)
    return discovery
  }

  const taken = async (): Promise<string[]> => {
    await settle()
    return observer.take()
  }

  describe('browsing', () => {
    it('lists peers, tells in batches, and forgets them when it stops; any number of times', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      for (let round = 0; round < 3; round++) {
        await discovery.startBrowsing()
        provider.context.peersFound([{ id: 'a', displayName: 'A' }])
        provider.context.peersFound([
          { id: 'b', displayName: 'B' },
          { id: 'c', displayName: 'C' }
        ])
        expect(discovery.peers.map(({ id }) => id)).to.deep.equal(['a', 'b', 'c'])
        expect(discovery.peerWithId('b')?.displayName).to.equal('B')
        provider.context.peersLost(['b'])
        expect(await taken()).to.deep.equal(['FAKE browse starting', 'FAKE browse online', '+ a b c', '- b'])
        await discovery.stopBrowsing()
        expect(discovery.peers).to.deep.equal([])
        expect(await taken()).to.deep.equal(['FAKE browse offline', '- a c'])
      }
    })

    it('does not list what is reported while it is not browsing', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      provider.context.statusChanged('browse', { state: 'online' })
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      await discovery.startBrowsing()
      await discovery.stopBrowsing()
      provider.context.peersFound([{ id: 'b', displayName: 'B' }])
      provider.context.statusChanged('browse', { state: 'failed', error: new Error('who cares') })
      expect(discovery.peers).to.deep.equal([])
      expect(discovery.status('FAKE', 'browse')).to.deep.equal({ state: 'offline' })
    })

    it('starts although a provider fails, and shows the failure', async () => {
      const [good, bad, cause] = [new FakeProvider('GOOD'), new FakeProvider('BAD'), new Error('port taken')]
      bad.onStartBrowsing = async () => {
        throw cause
      }
      const discovery = compose(good, bad)
      await discovery.startBrowsing()
      expect(discovery.status('GOOD', 'browse')).to.deep.equal({ state: 'online' })
      expect(discovery.status('BAD', 'browse')).to.deep.equal({ state: 'failed', error: cause })
      expect(bad.calls).to.deep.equal(['startBrowsing', 'stopBrowsing'])
      expect(logged(logger, 'warn')).to.deep.equal(['BAD failed to browse'])
      bad.onStartBrowsing = async () => {}
      await discovery.startBrowsing()
      expect(discovery.status('BAD', 'browse')).to.deep.equal({ state: 'online' })
      expect(good.calls).to.deep.equal(['startBrowsing'])
    })

    it('rejects when all providers fail, with all their errors', async () => {
      const [one, two] = [new FakeProvider('ONE'), new FakeProvider('TWO')]
      one.onStartBrowsing = async () => {
        throw new Error('1')
      }
      two.onStartBrowsing = async () => {
        two.context.statusChanged('browse', { state: 'failed', error: 'odd' as never })
      }
      const error = await rejection(compose(one, two).startBrowsing())
      expect(error.code).to.equal('ERR_PD_START_FAILED')
      const { errors } = error.cause as AggregateError
      expect(errors[0]).to.include({ message: '1' })
      expect(errors[1]).to.include({ code: 'ERR_PD_PROVIDER_FAILED' })
      expect(await taken()).to.deep.equal(['ONE browse starting', 'TWO browse starting', 'TWO browse failed', 'ONE browse failed'])
    })

    it('does not wait for ever for a provider that hangs', async () => {
      const [good, bad] = [new FakeProvider('GOOD'), new FakeProvider('BAD')]
      bad.onStartBrowsing = () => never()
      bad.onStopBrowsing = () => never()
      const discovery = compose(good, bad)
      const start = discovery.startBrowsing()
      await clock.advance(40_000)
      await start
      expect(discovery.status('BAD', 'browse')).to.have.nested.property('error.code', 'ERR_CORE_TIMEOUT')
      const stop = discovery.stopBrowsing()
      await clock.advance(10_000)
      await stop
    })

    it('shows a provider that cannot stop, and stops the others', async () => {
      const [good, bad, cause] = [new FakeProvider('GOOD'), new FakeProvider('BAD'), new Error('stuck')]
      bad.onStopBrowsing = async () => {
        throw cause
      }
      const discovery = compose(good, bad)
      await discovery.startBrowsing()
      await discovery.stopBrowsing()
      expect(discovery.status('BAD', 'browse')).to.deep.equal({ state: 'failed', error: cause })
      expect(discovery.status('GOOD', 'browse')).to.deep.equal({ state: 'offline' })
    })

    it('drops the peers when a running provider fails, the state first, and can start it again', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.startBrowsing()
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      await taken()
      const error = new Error('radio off')
      provider.context.statusChanged('browse', { state: 'failed', error })
      provider.context.statusChanged('browse', { state: 'failed', error })
      provider.context.statusChanged('browse', { state: 'offline' })
      expect(await taken()).to.deep.equal(['FAKE browse failed', '- a'])
      provider.context.peersFound([{ id: 'b', displayName: 'B' }])
      await discovery.startBrowsing()
      expect(provider.calls).to.deep.equal(['startBrowsing', 'stopBrowsing', 'startBrowsing'])
      expect(await taken()).to.deep.equal(['FAKE browse starting', 'FAKE browse online'])
      provider.context.statusChanged('browse', { state: 'failed', error })
      await discovery.stopBrowsing()
      expect(discovery.status('FAKE', 'browse')).to.deep.equal({ state: 'offline' })
    })

    it('believes a provider that recovers by itself', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.startBrowsing()
      provider.context.statusChanged('browse', { state: 'failed', error: new Error('radio off') })
      provider.context.statusChanged('browse', { state: 'online' })
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      expect(discovery.peers).to.have.length(1)
      provider.context.statusChanged('browse', { state: 'nonsense' } as never)
      provider.context.statusChanged('nonsense' as never, { state: 'offline' })
      expect(discovery.status('FAKE', 'browse')).to.deep.equal({ state: 'online' })
    })

    it('is stopped in the end when stopped while starting', async () => {
      const provider = new FakeProvider()
      const gate = new Deferred<void>()
      provider.onStartBrowsing = async () => {
        await gate.promise
        provider.context.statusChanged('browse', { state: 'online' })
      }
      const discovery = compose(provider)
      const start = discovery.startBrowsing()
      const stop = discovery.stopBrowsing()
      gate.resolve()
      await Promise.all([start, stop])
      expect(discovery.status('FAKE', 'browse')).to.deep.equal({ state: 'offline' })
      expect(await taken()).to.deep.equal(['FAKE browse starting', 'FAKE browse offline'])
    })

    it('ends as the last call wants it, whatever the order of calls and however the provider behaves', async () => {
      const call = fc.record({ start: fc.boolean(), fails: fc.boolean(), wait: fc.boolean() })
      await fc.assert(
        fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 8 }), async (calls) => {
          const provider = new FakeProvider()
          let running = false
          let fails = false
          provider.onStartBrowsing = async () => {
            const failing = fails
            await settle()
            if (failing) throw new Error('no')
            expect(running).to.equal(false)
            running = true
            provider.context.statusChanged('browse', { state: 'online' })
          }
          provider.onStopBrowsing = async () => {
            await settle()
            running = false
            provider.context.statusChanged('browse', { state: 'offline' })
          }
          const discovery = compose(provider)
          const results: Array<Promise<unknown>> = []
          for (const each of calls) {
            fails = each.fails
            results.push(each.start ? discovery.startBrowsing() : discovery.stopBrowsing())
            if (each.wait) await Promise.allSettled(results)
          }
          await Promise.allSettled(results)
          const { state } = discovery.status('FAKE', 'browse')
          if (calls.at(-1)?.start === true) expect(state).to.be.oneOf(['online', 'failed'])
          else expect(state).to.equal('offline')
          expect(running).to.equal(state === 'online')
        }),
        { numRuns: 40 }
      )
    })

    it('logs refused sightings without drowning the log', async () => {
      const [one, two] = [new FakeProvider('ONE'), new FakeProvider('TWO')]
      const discovery = compose(one, two)
      await discovery.startBrowsing()
      one.context.peersFound([{ id: 'a', displayName: 'A' }])
      two.context.peersFound([
        { id: 'a', displayName: 'A' },
        { id: 'a', displayName: 'A' }
      ])
      expect(logged(logger, 'warn')).to.have.length(1)
      expect(discovery.peerWithId('a')?.provider).to.equal('ONE')
    })
  })

  describe('devices', () => {
    it('merges sightings of several providers and tells the net change once', async () => {
      const [one, two] = [new FakeProvider('ONE'), new FakeProvider('TWO')]
      const discovery = compose(one, two)
      const changes: string[] = []
      discovery.addObserver({
        devicesChanged: ({ added, changed, removed }) => {
          changes.push([added, changed, removed].map((list) => list.map(({ id }) => id.slice(0, 12)).join(',')).join('|'))
        }
      })
      await discovery.startBrowsing()
      one.context.peersFound([{ id: 'a', displayName: 'A' }])
      one.context.metadataChanged('a', toMetadata(peerIdMetadata(THEM)))
      two.context.peersFound([{ id: 'b', displayName: 'B', metadata: toMetadata(peerIdMetadata(THEM)) }])
      await settle()
      expect(changes.splice(0)).to.deep.equal(['222222222222||'])
      expect(discovery.devices.map(({ peers }) => peers.map(({ id }) => id))).to.deep.equal([['a', 'b']])
      expect(discovery.deviceWithId(THEM)?.displayName).to.equal('A')
      one.context.peersLost(['a'])
      await settle()
      expect(changes.splice(0)).to.deep.equal(['|222222222222|'])
      await discovery.stopBrowsing()
      await settle()
      expect(changes).to.deep.equal(['||222222222222'])
    })

    it('watches metadata only through the provider that sees the peer', async () => {
      const provider = new FakeProvider()
      provider.onMonitor = () => {
        throw new Error('no')
      }
      const discovery = compose(provider)
      await discovery.startBrowsing()
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      const peer = discovery.peerWithId('a')
      peer?.monitorMetadata(true)
      peer?.monitorMetadata(true)
      peer?.monitorMetadata(false)
      provider.context.metadataChanged('a', toMetadata({ k: '1' }))
      provider.context.metadataChanged('a', toMetadata({ k: '1' }))
      expect(provider.calls).to.deep.equal(['startBrowsing', 'monitor a true', 'monitor a false'])
      expect((await taken()).filter((call) => call.startsWith('metadata'))).to.deep.equal(['metadata a'])
      provider.context.peersLost(['a'])
      peer?.monitorMetadata(true)
      expect(provider.calls).to.have.length(3)
    })

    it('resolves through the provider, and fails what waits when browsing stops', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.startBrowsing()
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      const peer = discovery.peerWithId('a')
      expect(await peer?.resolveUrl()).to.deep.equal({ url: 'wss://a.test:4984', addresses: ['127.0.0.1'] })
      provider.onResolve = () => never()
      const waiting = rejection(peer?.resolveUrl() as Promise<unknown>)
      await settle()
      await discovery.stopBrowsing()
      expect((await waiting).code).to.equal('ERR_PD_PEER_OFFLINE')
    })
  })

  describe('publishing', () => {
    it('publishes the claim of the peer id with the metadata, through those that can', async () => {
      const [one, mute] = [new FakeProvider('ONE'), new FakeProvider('MUTE', { publishes: false })]
      const discovery = compose(one, mute)
      await discovery.start({ browse: false, publish: { displayName: 'Shop', port: 4984, metadata: { k: 'v' } } })
      expect(one.published).to.include({ displayName: 'Shop', port: 4984 })
      expect([...(one.published?.metadata.keys() ?? [])]).to.deep.equal(['_PID', 'k'])
      expect(deviceIdFromMetadata(one.published?.metadata ?? new Map())).to.equal(US)
      expect(mute.calls).to.deep.equal([])
      await discovery.startPublishing({ displayName: 'Shop', port: 4984, metadata: { k: 'v' } })
      expect(one.calls).to.deep.equal(['startPublishing'])
      await discovery.stopPublishing()
      await discovery.stopPublishing()
      expect(discovery.status('ONE', 'publish')).to.deep.equal({ state: 'offline' })
    })

    it('replaces a publication by another one, and only the metadata if only that differs', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.startPublishing({ displayName: 'Shop', port: 1 })
      await discovery.startPublishing({ displayName: 'Shop', port: 1, metadata: { k: 'v' } })
      await discovery.startPublishing({ displayName: 'Shop', port: 2, metadata: { k: 'v' } })
      expect(provider.calls).to.deep.equal(['startPublishing', 'updateMetadata _PID k', 'stopPublishing', 'startPublishing'])
      expect(provider.published?.port).to.equal(2)
    })

    it('updates metadata, also when asked while it starts; a failed provider gets it at its next start', async () => {
      const [slow, bad] = [new FakeProvider('SLOW'), new FakeProvider('BAD')]
      const gate = new Deferred<void>()
      slow.onStartPublishing = () => gate.promise
      bad.onStartPublishing = async () => {
        throw new Error('no')
      }
      const discovery = compose(slow, bad)
      const start = discovery.startPublishing({ displayName: 'Shop', port: 1 })
      await settle()
      const update = discovery.updateMetadata({ k: '2' })
      gate.resolve()
      await Promise.all([start, update])
      expect(slow.calls).to.deep.equal(['startPublishing', 'updateMetadata _PID k'])
      await discovery.updateMetadata({ k: '2' })
      expect(slow.calls).to.have.length(2)
      bad.onStartPublishing = async () => {}
      await discovery.startPublishing({ displayName: 'Shop', port: 1, metadata: { k: '2' } })
      expect([...(bad.published?.metadata.keys() ?? [])]).to.deep.equal(['_PID', 'k'])
    })

    it('says when metadata could not be updated anywhere', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      expect((await rejection(discovery.updateMetadata({}))).code).to.equal('ERR_PD_NOT_PUBLISHING')
      await discovery.startPublishing({ displayName: 'Shop', port: 1 })
      provider.onUpdateMetadata = async () => {
        throw new Error('no')
      }
      const error = await rejection(discovery.updateMetadata({ k: 'v' }))
      expect(error.code).to.equal('ERR_PD_UPDATE_FAILED')
      expect((error.cause as AggregateError).errors[0]).to.include({ message: 'no' })
      provider.onUpdateMetadata = async () => {}
      await discovery.updateMetadata({ k: 'v' })
      await discovery.stopPublishing()
      expect((await rejection(discovery.updateMetadata({}))).code).to.equal('ERR_PD_NOT_PUBLISHING')
    })

    it('publishes without a port where providers need none', async () => {
      const [radio, lan] = [new FakeProvider('Radio', { needsPort: false }), new FakeProvider('LAN')]
      const discovery = compose(radio, lan)
      await discovery.startPublishing({ displayName: 'X' })
      expect(radio.published).to.include({ displayName: 'X', port: 0 })
      expect(lan.published).to.equal(undefined)
      expect(discovery.status('LAN', 'publish').state).to.equal('offline')
      await discovery.startPublishing({ displayName: 'X', port: 80 })
      expect([radio, lan].map(({ published }) => published?.port)).to.deep.equal([80, 80])
    })

    it('refuses what cannot be published', async () => {
      const discovery = compose(new FakeProvider())
      for (const port of [0, 65536, 1.5, '80', undefined])
        expect((await rejection(discovery.startPublishing({ displayName: 'X', port: port as number }))).code).to.equal(
          'ERR_PD_PUBLISH_OPTIONS'
        )
      for (const displayName of ['', 7, undefined])
        expect((await rejection(discovery.startPublishing({ displayName: displayName as string, port: 1 }))).code).to.equal(
          'ERR_PD_PUBLISH_OPTIONS'
        )
      expect((await rejection(discovery.startPublishing({ displayName: 'X', port: 1, metadata: { 'a=b': '' } }))).code).to.equal(
        'ERR_PD_METADATA'
      )
      expect(
        (await rejection(compose(new FakeProvider('MUTE', { publishes: false })).startPublishing({ displayName: 'X', port: 1 }))).code
      ).to.equal('ERR_PD_UNSUPPORTED')
    })

    it('reports both failures of start, and a single one as it is', async () => {
      const provider = new FakeProvider()
      const fail = async () => {
        throw new Error('no')
      }
      provider.onStartBrowsing = provider.onStartPublishing = fail
      const discovery = compose(provider)
      const error = await rejection(discovery.start({ publish: { displayName: 'X', port: 1 } }))
      expect(error.code).to.equal('ERR_PD_START_FAILED')
      expect((error.cause as AggregateError).errors).to.have.length(2)
      expect((await rejection(discovery.start())).message).to.match(/^No provider could start browsing/)
    })
  })

  describe('incoming connections', () => {
    it('asks the observers in order, only while publishing', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.start({ publish: { displayName: 'X', port: 1 } })
      provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      const socket = new PassThrough()
      const asked: unknown[] = []
      expect(provider.context.incomingConnection('a', socket)).to.equal(false)
      discovery.addObserver({
        incomingConnection: (peer) => {
          asked.push(peer?.id)
          return false
        }
      })
      discovery.addObserver({
        incomingConnection: (peer, got) => {
          asked.push(peer?.id, got === socket)
          return true
        }
      })
      expect(provider.context.incomingConnection('a', socket)).to.equal(true)
      expect(provider.context.incomingConnection(undefined, socket)).to.equal(true)
      expect(provider.context.incomingConnection('unknown', socket)).to.equal(true)
      expect(asked).to.deep.equal(['a', 'a', true, undefined, undefined, true, undefined, undefined, true])
      await discovery.stopPublishing()
      expect(provider.context.incomingConnection('a', socket)).to.equal(false)
    })
  })

  describe('observers', () => {
    it('are not called from inside the call that caused it, nor after their removal', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      const calls: string[] = []
      const own = {
        statusChanged: () => {
          calls.push('status')
        }
      }
      const remove = discovery.addObserver(own)
      await discovery.startBrowsing()
      await settle()
      const before = calls.length
      provider.context.statusChanged('browse', { state: 'starting' })
      expect(calls).to.have.length(before)
      remove()
      await settle()
      expect(calls).to.have.length(before)
      discovery.addObserver(own)
      discovery.removeObserver(own)
      provider.context.statusChanged('browse', { state: 'online' })
      await settle()
      expect(calls).to.have.length(before)
      expect(thrown(() => discovery.addObserver(undefined as never))).to.be.instanceOf(TypeError)
    })
  })

  describe('changes', () => {
    it('iterates over what happens until the loop is left', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      const changes = discovery.changes()
      const seen: string[] = []
      void discovery.startBrowsing().then(() => {
        provider.context.peersFound([{ id: 'a', displayName: 'A' }])
      })
      for await (const change of changes) {
        seen.push(change.type)
        if (change.type === 'devicesChanged') {
          expect(change.added).to.have.length(1)
          break
        }
      }
      expect(seen).to.deep.equal(['statusChanged', 'statusChanged', 'peersAdded', 'devicesChanged'])
      expect(await changes.next()).to.deep.equal({ done: true, value: undefined })
    })

    it('drops the oldest, counts them, and warns once per burst', async () => {
      const provider = new FakeProvider()
      const discovery = compose(provider)
      await discovery.startBrowsing()
      await settle()
      const changes = discovery.changes({ capacity: 2 })
      const blink = async () => {
        for (const state of ['starting', 'online'] as const) {
          provider.context.statusChanged('browse', { state })
          await settle()
        }
      }
      await blink()
      await blink()
      expect(changes.dropped).to.equal(2)
      expect(logged(logger, 'warn')).to.have.length(1)
      expect((await changes.next()).value).to.deep.include({ type: 'statusChanged', status: { state: 'starting' } })
      await changes.next()
      await blink()
      await blink()
      expect(changes.dropped).to.equal(4)
      expect(logged(logger, 'warn')).to.have.length(2)
      expect(thrown(() => discovery.changes({ capacity: 0 }))).to.be.instanceOf(TypeError)
    })

    it('ends with its signal and with the shutdown', async () => {
      const discovery = compose(new FakeProvider())
      const abort = new AbortController()
      const [first, second] = [discovery.changes({ signal: abort.signal }), discovery.changes()]
      const waiting = first.next()
      abort.abort()
      expect((await waiting).done).to.equal(true)
      expect((await discovery.changes({ signal: abort.signal }).next()).done).to.equal(true)
      const last = second.next()
      await discovery.shutdown()
      expect((await last).done).to.equal(true)
      expect((await discovery.changes().next()).done).to.equal(true)
    })
  })

  describe('shutdown', () => {
    it('stops everything, tells the last removals, and is final', async () => {
      const [one, two] = [new FakeProvider('ONE'), new FakeProvider('TWO')]
      const discovery = compose(one, two)
      await discovery.start({ publish: { displayName: 'X', port: 1 } })
      one.context.peersFound([{ id: 'a', displayName: 'A' }])
      await taken()
      const done = discovery.shutdown()
      expect(discovery.shutdown()).to.equal(done)
      await done
      expect(observer.take()).to.have.members([
        'ONE browse offline',
        '- a',
        'ONE publish offline',
        'TWO browse offline',
        'TWO publish offline'
      ])
      expect(discovery.peers).to.deep.equal([])
      expect(discovery.devices).to.deep.equal([])
      one.context.statusChanged('browse', { state: 'online' })
      one.context.peersFound([{ id: 'b', displayName: 'B' }])
      expect(one.context.incomingConnection('a', new PassThrough())).to.equal(false)
      expect(await taken()).to.deep.equal([])
      const gone = [
        discovery.startBrowsing(),
        discovery.startPublishing({ displayName: 'X', port: 1 }),
        discovery.updateMetadata({}),
        discovery.connect('x'),
        discovery.start()
      ]
      for (const each of gone) expect((await rejection(each)).code).to.equal('ERR_PD_SHUT_DOWN')
      await discovery.stopBrowsing()
      await discovery.stopPublishing()
      await discovery[Symbol.asyncDispose]()
      discovery.addObserver(observer)()
      expect(one.calls).to.deep.equal(['startBrowsing', 'startPublishing', 'shutdown'])
    })

    it('cancels a start that is under way', async () => {
      const provider = new FakeProvider()
      provider.onStartBrowsing = () => never()
      const discovery = compose(provider)
      const start = rejection(discovery.startBrowsing())
      await settle()
      await discovery.shutdown()
      expect((await start).code).to.equal('ERR_PD_SHUT_DOWN')
      expect(await taken()).to.deep.equal(['FAKE browse starting', 'FAKE browse offline'])
    })

    it('gives each provider a deadline, shuts the others down, and says which failed', async () => {
      const [slow, bad, good] = [new FakeProvider('SLOW'), new FakeProvider('BAD'), new FakeProvider('GOOD')]
      slow.onShutdown = () => never()
      bad.onShutdown = async () => {
        throw new Error('broken')
      }
      const discovery = compose(slow, bad, good)
      await discovery.startBrowsing()
      const done = rejection(discovery.shutdown())
      await clock.advance(10_000)
      const error = await done
      expect(error.code).to.equal('ERR_CORE_DISPOSE')
      expect(
        (error.cause as AggregateError).errors.map((each: { code?: string; message: string }) => each.code ?? each.message)
      ).to.deep.equal(['ERR_CORE_TIMEOUT', 'broken'])
      expect(good.calls).to.include('shutdown')
      expect(discovery.status('SLOW', 'browse')).to.deep.equal({ state: 'offline' })
    })
  })
})
