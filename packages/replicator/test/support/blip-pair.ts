import type { SocketCloseInfo } from '@kithmesh/core'
import type { BlipPeer, IncomingRequest, OutgoingMessage, OutgoingRequest, Properties, Reply, RequestOptions } from '@kithmesh/blip'

/** A message seen on the line. */
export interface Seen {
  readonly dir: 'A>B' | 'B>A'
  readonly number: number
  readonly type: 'REQ' | 'RES' | 'ERR'
  readonly profile?: string
  readonly noReply?: boolean
  readonly properties: Properties
  readonly body: Buffer
}

async function collect(body: OutgoingMessage['body']): Promise<Buffer> {
  if (body === undefined) return Buffer.alloc(0)
  if (body instanceof Uint8Array) return Buffer.from(body)
  if ('read' in body) {
    const bytes = Buffer.alloc(body.length)
    body.read(bytes, 0, bytes.length, 0)
    body.close()
    return bytes
  }
  const parts: Uint8Array[] = []
  for await (const piece of body) parts.push(piece)
  return Buffer.concat(parts)
}

/** What is undefined is not sent. */
function onTheWire(properties: OutgoingMessage['properties'] = {}): Properties {
  return Object.fromEntries(Object.entries(properties).filter((entry): entry is [string, string] => entry[1] !== undefined))
}

type Delivery = () => void

/** Two BLIP ends joined in memory. Deliveries keep their order per direction; which direction goes next is the owner's choice. */
export class BlipPair {
  readonly seen: Seen[] = []
  readonly a: FakePeer
  readonly b: FakePeer
  readonly queues: { readonly a: Delivery[]; readonly b: Delivery[] } = { a: [], b: [] }
  closed = false
  /** With it, deliveries happen by themselves. */
  #automatic: boolean
  #scheduled = false

  constructor(automatic = true) {
    this.#automatic = automatic
    this.a = new FakePeer(this, 'A>B', this.queues.b)
    this.b = new FakePeer(this, 'B>A', this.queues.a)
    this.a.other = this.b
    this.b.other = this.a
  }

  get pending(): number {
    return this.queues.a.length + this.queues.b.length
  }

  kick(): void {
    if (!this.#automatic || this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      for (let n = 0; n < 1000 && this.deliver(n % 2 === 0 ? 'a' : 'b'); n++);
      if (this.pending > 0) this.kick()
    })
  }

  /** Delivers the next message for one side, or for the other if there is none. */
  deliver(to: 'a' | 'b'): boolean {
    const queue = this.queues[to].length > 0 ? this.queues[to] : this.queues[to === 'a' ? 'b' : 'a']
    const next = queue.shift()
    next?.()
    return next !== undefined
  }

  /** Ends both ends; what is on the way is lost. */
  cut(info: SocketCloseInfo = { code: 1006, reason: '' }): void {
    if (this.closed) return
    this.closed = true
    this.queues.a.length = 0
    this.queues.b.length = 0
    this.a.end(info)
    this.b.end(info)
  }
}

export class FakePeer implements BlipPeer {
  readonly #pair: BlipPair
  readonly #dir: Seen['dir']
  /** Where messages for the other side wait. */
  readonly #out: Delivery[]
  readonly #handlers = new Map<string, (request: IncomingRequest) => void>()
  readonly #waiting = new Map<number, { onReply: ((reply: Reply) => void) | undefined; options: RequestOptions | undefined }>()
  #closed: ((info: SocketCloseInfo) => void)[] = []
  #number = 0
  other!: FakePeer
  /** For each `flush`, how many requests there had been. */
  readonly flushes: number[] = []
  /** Changes outgoing replies, for misbehaviour. */
  tamper: ((request: IncomingRequest, reply: OutgoingMessage | undefined) => OutgoingMessage | undefined) | undefined

  constructor(pair: BlipPair, dir: Seen['dir'], out: Delivery[]) {
    this.#pair = pair
    this.#dir = dir
    this.#out = out
  }

  get unansweredRequests(): number {
    return this.#waiting.size
  }

  flush(): void {
    this.flushes.push(this.#number)
  }

  #send(delivery: Delivery): void {
    if (this.#pair.closed) return
    this.#out.push(delivery)
    this.#pair.kick()
  }

  request(request: OutgoingRequest, onReply?: (reply: Reply) => void, options?: RequestOptions): void {
    if (this.#pair.closed) {
      setImmediate(() => onReply?.({ kind: 'disconnected' }))
      return
    }
    const number = ++this.#number
    if (request.noReply !== true) this.#waiting.set(number, { onReply, options })
    void collect(request.body).then((body) => {
      this.#pair.seen.push({
        dir: this.#dir,
        number,
        type: 'REQ',
        profile: request.profile,
        noReply: request.noReply === true,
        properties: onTheWire(request.properties),
        body
      })
      this.#send(() => {
        this.other.#receive(number, request, body)
      })
    })
  }

  #receive(number: number, message: OutgoingRequest, body: Buffer): void {
    let answered = message.noReply === true
    const answer = (type: 'RES' | 'ERR', reply: Reply | (() => Promise<Reply>)): void => {
      if (answered) return
      answered = true
      const send = (value: Reply): void => {
        const properties =
          value.kind === 'ok'
            ? value.properties
            : value.kind === 'error'
              ? { 'Error-Domain': value.domain, 'Error-Code': String(value.code) }
              : {}
        this.#pair.seen.push({
          dir: this.#dir,
          number,
          type,
          properties,
          body: value.kind === 'ok' ? value.body : Buffer.from(value.kind === 'error' ? value.message : '')
        })
        this.#send(() => {
          this.other.#finish(number, value)
        })
      }
      if (typeof reply === 'function') void reply().then(send)
      else send(reply)
    }
    const request: IncomingRequest = {
      number,
      profile: message.profile,
      properties: onTheWire(message.properties),
      body,
      noReply: message.noReply === true,
      urgent: message.urgent === true,
      respond: (given) => {
        const reply = this.tamper === undefined ? given : this.tamper(request, given)
        if (reply?.body === undefined || reply.body instanceof Uint8Array)
          answer('RES', {
            kind: 'ok',
            properties: onTheWire(reply?.properties),
            body: reply?.body === undefined ? Buffer.alloc(0) : Buffer.from(reply.body)
          })
        else answer('RES', async () => ({ kind: 'ok', properties: onTheWire(reply.properties), body: await collect(reply.body) }))
      },
      respondError: (domain, code, text = '') => {
        answer('ERR', { kind: 'error', domain, code, message: text })
      }
    }
    const handler = this.#handlers.get(message.profile)
    if (handler === undefined && message.profile === 'PING') request.respond()
    else if (handler === undefined) request.respondError('BLIP', 404, 'no handler for message')
    else handler(request)
  }

  #finish(number: number, reply: Reply): void {
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return
    this.#waiting.delete(number)
    const { onReply, options } = waiting
    if (reply.kind === 'ok' && options?.maxBodyBytes !== undefined && reply.body.length > options.maxBodyBytes) {
      onReply?.({ kind: 'error', domain: 'BLIP', code: 413, message: 'too large' })
    } else if (reply.kind === 'ok' && options?.onBody !== undefined) {
      void options.onBody(reply.body)
      onReply?.({ ...reply, body: Buffer.alloc(0) })
    } else onReply?.(reply)
  }

  handle(profile: string, handler: (request: IncomingRequest) => void): void {
    this.#handlers.set(profile, handler)
  }

  close(code = 1000, reason = ''): void {
    if (this.#pair.closed) return
    // Like a socket: what was sent before arrives before the end.
    this.#out.push(() => {
      this.#pair.cut({ code, reason })
    })
    this.#pair.kick()
  }

  onClosed(listener: (info: SocketCloseInfo) => void): void {
    this.#closed.push(listener)
  }

  end(info: SocketCloseInfo): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    setImmediate(() => {
      for (const { onReply } of waiting) onReply?.({ kind: 'disconnected' })
      for (const listener of this.#closed.splice(0)) listener(info)
    })
  }
}
