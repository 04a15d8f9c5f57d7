import { PassThrough } from 'node:stream'
import type {
  Assessment,
  AttemptOptions,
  ByteSocket,
  ConnectTarget,
  PeerDiscoveryObserver,
  PeerDiscoveryProvider,
  ProviderCapabilities,
  ProviderContext,
  ProviderFactory,
  PublishOptions,
  Metadata,
  ResolvedUrl,
  SocketFactory,
  TransportFactory,
  TransportStrategy
} from '@kithmesh/core'
import type { LogEntry, RecordingLogger } from '@kithmesh/testkit'
import { defineProvider, defineTransport } from '@kithmesh/core/plugin'

export const US = '11'.repeat(32)
export const THEM = '22'.repeat(32)
export const OTHERS = '33'.repeat(32)

export function thrown(run: () => unknown): Error & { code?: string; hint?: string } {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  throw new Error('an exception was expected')
}

/** What was logged at a level. */
export function logged({ entries }: RecordingLogger, level: LogEntry['level']): string[] {
  return entries.filter((entry) => entry.level === level).map(({ message }) => message)
}

/** Writes down what an observer is told, as short lines. */
export class RecordingObserver implements PeerDiscoveryObserver {
  readonly calls: string[] = []
  statusChanged(provider: string, mode: string, status: { state: string }): void {
    this.calls.push(`${provider} ${mode} ${status.state}`)
  }
  peersAdded(peers: readonly { id: string }[]): void {
    this.calls.push(`+ ${peers.map(({ id }) => id).join(' ')}`)
  }
  peersRemoved(peers: readonly { id: string; online: boolean }[]): void {
    this.calls.push(`- ${peers.map(({ id, online }) => (online ? `${id}(still online!)` : id)).join(' ')}`)
  }
  peerMetadataChanged(peer: { id: string }): void {
    this.calls.push(`metadata ${peer.id}`)
  }
  connectionReport(report: { state: string }): void {
    this.calls.push(`report ${report.state}`)
  }
  take(): string[] {
    return this.calls.splice(0)
  }
}

const everything: ProviderCapabilities = {
  publishes: true,
  metadata: true,
  metadataUpdates: true,
  reportsDisappearance: true,
  suppliesSocketFactory: false,
  incomingConnections: true
}

/** A provider whose every step a test can replace. */
export class FakeProvider implements PeerDiscoveryProvider {
  readonly name: string
  readonly calls: string[] = []
  readonly factory: ProviderFactory
  context!: ProviderContext
  published: PublishOptions | undefined
  onStartBrowsing: () => Promise<void> = async () => {
    this.context.statusChanged('browse', { state: 'online' })
  }
  onStopBrowsing: () => Promise<void> = async () => {
    this.context.statusChanged('browse', { state: 'offline' })
  }
  onStartPublishing: () => Promise<void> = async () => {
    this.context.statusChanged('publish', { state: 'online' })
  }
  onStopPublishing: () => Promise<void> = async () => {
    this.context.statusChanged('publish', { state: 'offline' })
  }
  onUpdateMetadata: (metadata: Metadata) => Promise<void> = async () => {}
  onResolve: (id: string, signal: AbortSignal) => Promise<ResolvedUrl> = async (id) => ({
    url: `wss://${id}.test:4984`,
    addresses: ['127.0.0.1']
  })
  onMonitor: (id: string, on: boolean) => void = () => {}
  onSocketFactory: () => SocketFactory | undefined = () => undefined
  onShutdown: () => Promise<void> = async () => {}

  constructor(name = 'FAKE', capabilities: Partial<ProviderCapabilities> = {}) {
    this.name = name
    this.factory = defineProvider({
      name,
      contractVersion: 1,
      capabilities: { ...everything, ...capabilities },
      create: (context) => {
        this.context = context
        return this
      }
    })
  }

  startBrowsing(): Promise<void> {
    this.calls.push('startBrowsing')
    return this.onStartBrowsing()
  }
  stopBrowsing(): Promise<void> {
    this.calls.push('stopBrowsing')
    return this.onStopBrowsing()
  }
  startPublishing(options: PublishOptions): Promise<void> {
    this.calls.push('startPublishing')
    this.published = options
    return this.onStartPublishing()
  }
  stopPublishing(): Promise<void> {
    this.calls.push('stopPublishing')
    return this.onStopPublishing()
  }
  updateMetadata(metadata: Metadata): Promise<void> {
    this.calls.push(`updateMetadata ${[...metadata.keys()].join(' ')}`)
    return this.onUpdateMetadata(metadata)
  }
  monitorMetadata(id: string, on: boolean): void {
    this.calls.push(`monitor ${id} ${on}`)
    this.onMonitor(id, on)
  }
  resolveUrl(id: string, { signal }: { signal: AbortSignal }): Promise<ResolvedUrl> {
    this.calls.push(`resolve ${id}`)
    return this.onResolve(id, signal)
  }
  socketFactory(): SocketFactory | undefined {
    return this.onSocketFactory()
  }
  shutdown(): Promise<void> {
    this.calls.push('shutdown')
    return this.onShutdown()
  }
}

/** A transport whose attempts a test answers. */
export class FakeTransport implements TransportStrategy {
  readonly name: string
  readonly capabilities
  readonly attempts: string[] = []
  readonly sockets: PassThrough[] = []
  readonly factory: TransportFactory
  stopped = false
  onAssess: (target: ConnectTarget) => Assessment
  onAttempt: (target: ConnectTarget, options: AttemptOptions) => Promise<ByteSocket> = async () => this.socket()
  onShutdown: () => Promise<void> = async () => {
    this.stopped = true
  }

  constructor(name = 'direct', rank = 0, relayed = false) {
    this.name = name
    this.capabilities = { listens: false, relayed }
    this.onAssess = () => ({ usable: true, rank })
    this.factory = defineTransport({ name, contractVersion: 1, capabilities: this.capabilities, create: () => this })
  }

  socket(): PassThrough {
    const socket = new PassThrough()
    this.sockets.push(socket)
    return socket
  }

  assess(target: ConnectTarget): Assessment {
    return this.onAssess(target)
  }
  attempt(target: ConnectTarget, options: AttemptOptions): Promise<ByteSocket> {
    this.attempts.push(target.peer.id)
    return this.onAttempt(target, options)
  }
  shutdown(): Promise<void> {
    return this.onShutdown()
  }
}

/** Never settles. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => {})
}

/** Lets everything that is ready run: several rounds of microtasks and one macrotask. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 3; round++) await new Promise((resolve) => setImmediate(resolve))
}
