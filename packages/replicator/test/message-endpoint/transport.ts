import { MessageEndpoint, MessageEndpointListener, Message } from '@kithmesh/replicator'
import type {
  MessageEndpointConnection,
  MessageEndpointListenerOptions,
  MessageLinkOptions,
  MessagingError,
  ProtocolType,
  ReplicatorConnection
} from '@kithmesh/replicator'

/** One end of a transport in memory, as an application would write it. Notes every call. */
class MemoryConnection implements MessageEndpointConnection {
  readonly name: string
  readonly log: string[]
  readonly #bytes: boolean
  other: MemoryConnection | undefined
  replicator: ReplicatorConnection | undefined
  closedWith: MessagingError | undefined
  closes = 0
  sends = 0
  sending = 0
  atOnce = 0
  /** Sent as soon as it is delivered, instead of a turn later. */
  instant = false
  /** Called in each, for misbehaviour. */
  readonly on: {
    open?: () => Promise<void> | void
    send?: (message: Message) => Promise<void> | void
    close?: () => Promise<void> | void
  } = {}

  constructor(name: string, log: string[], type: ProtocolType) {
    this.name = name
    this.log = log
    this.#bytes = type === 'byte-stream'
  }

  async open(replicatorConnection: ReplicatorConnection): Promise<void> {
    this.log.push(`${this.name}.open`)
    this.replicator = replicatorConnection
    await this.on.open?.()
  }

  async send(message: Message): Promise<void> {
    this.sends++
    this.atOnce = Math.max(this.atOnce, ++this.sending)
    try {
      await this.on.send?.(message)
      for (const piece of this.#bytes ? pieces(message.toData()) : [message.toData()])
        if (this.other?.replicator?.receive(Message.fromData(Buffer.from(piece))) === false) await this.other.replicator.ready()
      if (!this.instant)
        await new Promise((resolve) => {
          setImmediate(resolve)
        })
    } finally {
      this.sending--
    }
  }

  async close(error?: MessagingError): Promise<void> {
    this.closes++
    this.closedWith = error
    this.log.push(`${this.name}.close${error === undefined ? '' : '(error)'}`)
    await this.on.close?.()
    const { other } = this
    this.other = undefined
    if (other !== undefined) setImmediate(() => other.disconnected())
  }

  /** The transport's notification that the other end is gone. */
  disconnected(): void {
    if (this.other === undefined) return
    this.other = undefined
    this.log.push(`${this.name}: disconnected`)
    this.replicator?.close()
  }
}

/** Cuts bytes anywhere. */
function pieces(data: Buffer): Buffer[] {
  const result: Buffer[] = []
  for (let at = 0, length = 1; at < data.length; at += length, length = length * 3 + 1) result.push(data.subarray(at, at + length))
  return result
}

/** A listener, and an endpoint whose connections lead to it. */
export class Network {
  readonly log: string[] = []
  readonly active: MemoryConnection[] = []
  readonly passive: MemoryConnection[] = []
  readonly changes: string[] = []
  readonly listener: MessageEndpointListener
  readonly endpoint: MessageEndpoint<string>
  /** Changes a pair before it is used. */
  prepare: (active: MemoryConnection, passive: MemoryConnection, attempt: number) => void = () => {}

  constructor(type: ProtocolType, options: MessageEndpointListenerOptions, limits: MessageLinkOptions = {}) {
    this.listener = new MessageEndpointListener({ protocolType: type, ...options })
    this.listener.onChange(({ connection, status }) => {
      this.changes.push(
        `${(connection as MemoryConnection).name} ${status.activity}${status.error === undefined ? '' : ` ${status.error.code}`}`
      )
    })
    this.endpoint = new MessageEndpoint(
      'peer-1',
      'the peer',
      type,
      {
        createConnection: ({ target }) => {
          if (target !== 'the peer') throw new Error('another target')
          const n = this.active.length + 1
          const active = new MemoryConnection(`active${n}`, this.log, type)
          const passive = new MemoryConnection(`passive${n}`, this.log, type)
          active.other = passive
          passive.other = active
          this.active.push(active)
          this.passive.push(passive)
          this.prepare(active, passive, n)
          const { open } = active.on
          active.on.open = async () => {
            await open?.()
            this.listener.accept(passive)
          }
          return active
        }
      },
      limits
    )
  }
}
