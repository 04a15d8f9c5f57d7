import { readFileSync } from 'node:fs'
import { AsyncLocalStorage } from 'node:async_hooks'
import { channel, tracingChannel } from 'node:diagnostics_channel'
import { expect } from 'chai'
import {
  CONNECT_CHANNEL,
  type ConnectMessage,
  type DiagnosticMessages,
  type PeerDiscovery,
  createPeerDiscovery,
  onDiagnostic,
  peerIdMetadata,
  toMetadata
} from '@kithmesh/core'
import { Diagnostics, diagnosticError } from '@kithmesh/core/plugin'
import { recordingLogger, rejection } from '@kithmesh/testkit'
import { FakeProvider, FakeTransport, THEM, US, logged } from './fakes.ts'

const clock = { now: () => 1_234 } as never
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the diagnostics of a discovery', () => {
  const ends: (() => unknown)[] = []
  let provider: FakeProvider
  let transport: FakeTransport
  beforeEach(() => {
    provider = new FakeProvider()
    transport = new FakeTransport()
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })

  const listen = <Name extends keyof DiagnosticMessages>(name: Name): DiagnosticMessages[Name][] => {
    const messages: DiagnosticMessages[Name][] = []
    ends.push(onDiagnostic(name, (message) => messages.push(message)))
    return messages
  }
  const compose = (): PeerDiscovery => {
    const options = { peerGroupId: 'com.example.test', localPeerId: US, providers: [provider.factory], transports: [transport.factory] }
    const discovery = createPeerDiscovery(options)
    ends.push(() => discovery.shutdown())
    return discovery
  }
  /** A discovery that sees one device. */
  const seeing = async (): Promise<PeerDiscovery> => {
    const discovery = compose()
    await discovery.startBrowsing()
    provider.context.peersFound([{ id: 'there', displayName: 'There', metadata: toMetadata(peerIdMetadata(THEM)) }])
    await turn()
    return discovery
  }

  it('makes nothing while nobody listens, and frozen plain data when somebody does', () => {
    const diagnostics = new Diagnostics({ peerGroupId: 'g', localPeerId: US, clock })
    let made = 0
    const tell = (): void => {
      diagnostics.publish('kithmesh:device.changed', () => {
        made++
        return { added: [{ deviceId: THEM, displayName: 'There', providers: ['FAKE'] }], changed: [], removed: [] }
      })
    }
    expect(diagnostics.wants('kithmesh:device.changed')).to.equal(false)
    tell()
    expect(made).to.equal(0)
    const messages = listen('kithmesh:device.changed')
    expect(diagnostics.wants('kithmesh:device.changed')).to.equal(true)
    tell()
    expect(made).to.equal(1)
    expect(messages).to.have.length(1)
    expect(messages[0]).to.deep.include({ peerGroupId: 'g', localPeerId: US, at: 1_234 })
    expect(messages[0]).to.be.frozen
    expect(messages[0]?.added).to.be.frozen
    expect(messages[0]?.added[0]?.providers).to.be.frozen
  })

  it('tells of providers and devices', async () => {
    const statuses = listen('kithmesh:provider.status')
    const devices = listen('kithmesh:device.changed')
    await seeing()
    const common = { provider: 'FAKE', mode: 'browse', error: undefined }
    expect(statuses.map(({ provider: name, mode, state, error }) => ({ provider: name, mode, state, error }))).to.deep.equal(
      ['starting', 'online'].map((state) => ({ ...common, state }))
    )
    const there = { deviceId: THEM, displayName: 'There', providers: ['FAKE'] }
    expect(devices.map(({ added, changed, removed }) => ({ added, changed, removed }))).to.deep.equal([
      { added: [there], changed: [], removed: [] }
    ])
    provider.context.peersLost(['there'])
    await turn()
    expect(devices.at(-1)?.removed.map(({ deviceId }) => deviceId)).to.deep.equal([THEM])
  })

  it('tells why a provider failed, without what the error has beside its text', async () => {
    const messages = listen('kithmesh:provider.status')
    const cause = Object.assign(new Error('password: hunter2'), { code: 'EACCES' })
    provider.onStartBrowsing = () => Promise.reject(new Error('no radio', { cause }))
    await rejection(compose().startBrowsing())
    const failed = messages.find(({ state }) => state === 'failed')
    expect(failed?.error).to.deep.equal({ code: undefined, name: 'Error', message: 'no radio', hint: undefined })
    expect(JSON.stringify(messages)).not.to.include('hunter2')
  })

  it('tells of connections that the access lists refuse', async () => {
    const messages = listen('kithmesh:trust.refused')
    const discovery = compose()
    discovery.addObserver({ incomingConnection: () => true })
    await discovery.start({ publish: { displayName: 'Here', port: 4_984 } })
    provider.context.peersFound([{ id: 'there', displayName: 'There', metadata: toMetadata(peerIdMetadata(THEM)) }])
    discovery.access.add({ effect: 'block', peerId: THEM })
    expect(provider.context.incomingConnection('there', transport.socket())).to.equal(false)
    expect(messages).to.have.length(1)
    expect(messages[0]).to.deep.include({ by: 'local', direction: 'incoming', route: 'FAKE there' })
    expect(messages[0]?.error.code).to.equal('ERR_ACCESS_REFUSED')
  })

  for (const succeeds of [true, false])
    it(`traces a connection that ${succeeds ? 'succeeds' : 'fails'} with one context from start to end, within which stores are kept`, async () => {
      const discovery = await seeing()
      const traced = tracingChannel<unknown, ConnectMessage>(CONNECT_CHANNEL)
      const seen: string[] = []
      const contexts = new Set<ConnectMessage>()
      const spans = new AsyncLocalStorage<string>()
      const note = (phase: string) => (message: ConnectMessage) => {
        seen.push(`${phase} in ${spans.getStore() ?? 'none'}`)
        contexts.add(message)
      }
      const subscribers = {
        start: note('start'),
        end: note('end'),
        asyncStart: note('asyncStart'),
        asyncEnd: note('asyncEnd'),
        error: note('error')
      }
      traced.start.bindStore(spans as never, (message: unknown) => (message as ConnectMessage).displayName as never)
      traced.subscribe(subscribers as never)
      ends.push(() => {
        traced.unsubscribe(subscribers as never)
        traced.start.unbindStore(spans as never)
      })
      let within: string | undefined
      transport.onAttempt = async () => {
        within = spans.getStore()
        if (!succeeds) throw new Error('out of order')
        return transport.socket()
      }
      const connecting = discovery.connect(THEM)
      const error = succeeds ? undefined : await rejection(connecting)
      if (succeeds) (await connecting).socket.destroy()
      expect(within).to.equal('There')
      const phases = ['start', 'end', ...(succeeds ? [] : ['error']), 'asyncStart', 'asyncEnd']
      expect(seen).to.deep.equal(phases.map((phase) => `${phase} in There`))
      expect(spans.getStore()).to.equal(undefined)
      expect(contexts.size).to.equal(1)
      const [context] = contexts
      expect(context).to.deep.include({ peerGroupId: 'com.example.test', localPeerId: US, deviceId: THEM, displayName: 'There' })
      expect(context?.report?.state).to.equal(succeeds ? 'connected' : 'failed')
      expect(context?.report?.attempts.map(({ strategy, state }) => `${strategy} ${state}`)).to.deep.equal([
        `direct ${succeeds ? 'won' : 'failed'}`
      ])
      expect(context?.route === undefined).to.equal(!succeeds)
      expect(context?.error).to.deep.equal(succeeds ? undefined : diagnosticError(error))
    })

  it('goes on when a subscriber throws, of which Node tells as an uncaught exception', async () => {
    const raw = channel('kithmesh:device.changed')
    const thrown = new Error('a bad subscriber')
    const subscriber = (): void => {
      throw thrown
    }
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    const uncaught: unknown[] = []
    process.on('uncaughtException', (error) => uncaught.push(error))
    raw.subscribe(subscriber)
    try {
      const after = listen('kithmesh:device.changed')
      const discovery = await seeing()
      await turn()
      expect(uncaught).to.deep.equal([thrown])
      expect(discovery.devices).to.have.length(1)
      expect(after).to.have.length(1)
    } finally {
      raw.unsubscribe(subscriber)
      await turn()
      process.removeAllListeners('uncaughtException')
      for (const other of others) process.on('uncaughtException', other)
    }
  })

  it('logs what a subscriber throws that was given to onDiagnostic, and ends it when told to', () => {
    const diagnostics = new Diagnostics({ peerGroupId: 'g', localPeerId: US, clock })
    const logger = recordingLogger()
    let calls = 0
    const stop = onDiagnostic(
      'kithmesh:documents',
      () => {
        calls++
        throw new Error('a bad subscriber')
      },
      { logger }
    )
    const traffic = { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 }
    const tell = (): void => {
      diagnostics.publish('kithmesh:documents', () => ({ deviceId: THEM, documents: [], traffic }))
    }
    tell()
    stop()
    tell()
    expect(calls).to.equal(1)
    expect(logged(logger, 'error')).to.have.length(1)
    expect(() => onDiagnostic('kithmesh:nothing' as never, () => {})).to.throw(TypeError)
  })
})

describe('the page about diagnostics', () => {
  it('has every channel with all of its fields', () => {
    const page = readFileSync(new URL('../../../docs/diagnostics.md', import.meta.url), 'utf8')
    const types = readFileSync(new URL('../src/contracts/diagnostics.ts', import.meta.url), 'utf8')
    const fieldsOf = (type: string): string[] => {
      const body = new RegExp(`interface ${type}\\b[^{]*\\{([^]*?)\\n\\}`).exec(types)?.[1] ?? ''
      return [...body.matchAll(/^ {2}(?:readonly )?(\w+):/gm)].map(([, name = '']) => name)
    }
    const channels = [...types.matchAll(/^ {2}readonly '(kithmesh:[\w.]+)': (\w+)$/gm)].map(
      ([, name = '', type = '']) => [name, type] as const
    )
    expect(channels).to.have.length(6)
    for (const [name, type] of [...channels, [CONNECT_CHANNEL, 'ConnectMessage'] as const]) {
      const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\``)) ?? ''
      const fields = fieldsOf(type)
      expect(fields.length, type).to.be.greaterThan(2)
      for (const field of fields) expect(row, `${name} ${field}`).to.include(`\`${field}\``)
    }
    for (const field of fieldsOf('DiagnosticSource')) expect(page).to.include(`| \`${field}\` |`)
  })
})
