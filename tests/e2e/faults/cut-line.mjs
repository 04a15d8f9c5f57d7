// A connection in memory that breaks when it is told to: message sockets joined in pairs, each message noted and, at the chosen one, the end of both.
import { serveReplication, socketEndpoint } from '@kithmesh/replicator'

/** One end; set `other` of both to join them. Messages arrive on later turns of the event loop, in order; those under way at a cut are lost. */
export class End {
  protocol
  description
  other
  onSend = () => {}
  #handlers
  #queue = []
  #scheduled = false
  #paused = false
  #closing
  #over = false

  constructor(description, protocol) {
    this.description = description
    this.protocol = protocol
  }

  get bufferedBytes() {
    return 0
  }

  attach(handlers) {
    this.#handlers = handlers
    this.#schedule()
  }

  send(message) {
    if (this.#over || this.#closing !== undefined) return false
    const { other } = this
    other.#queue.push(Buffer.from(message))
    other.#schedule()
    this.onSend(message)
    return true
  }

  pause() {
    this.#paused = true
  }

  resume() {
    this.#paused = false
    this.#schedule()
  }

  close(code = 1000, reason = '') {
    if (this.#closing !== undefined || this.#over) return
    this.#closing = { code, reason }
    this.other.#queue.push(this.#closing)
    this.other.#schedule()
  }

  terminate(error) {
    this.cut(error)
  }

  /** Both ends are gone; what is under way is lost. */
  cut(error) {
    for (const end of [this, this.other]) end.#end({ code: 1006, reason: '', ...(error !== undefined && { error }) })
  }

  #end(info) {
    if (this.#over) return
    this.#over = true
    this.#queue = []
    setImmediate(() => this.#handlers?.closed(info))
  }

  #schedule() {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      if (this.#handlers === undefined || this.#over) return
      for (let n = 0; n < 4 && this.#queue.length > 0 && !this.#paused && !this.#over; n++) {
        const next = this.#queue.shift()
        if (Buffer.isBuffer(next)) this.#handlers.message(next)
        else for (const end of [this, this.other]) end.#end(next)
      }
      if (this.#queue.length > 0 && !this.#paused) this.#schedule()
    })
  }
}

/**
 * An endpoint that leads to `database` in this process. `cutAt` of a direction (`out` from the active side, `in` towards it) is the number of
 * the message after which the line breaks, counted over all connections; what is lost with it is that message and all others under way.
 */
export class CutLine {
  sent = { out: 0, in: 0 }
  connections = 0
  cutAt = { out: Infinity, in: Infinity }
  /** Called with each message before a cut, by direction. */
  onMessage = () => {}
  passive = []
  #options

  constructor(options) {
    this.#options = options
  }

  get endpoint() {
    return socketEndpoint({ uid: 'the other side', open: async ({ protocols }) => this.#connect(protocols[0]) })
  }

  #connect(protocol) {
    this.connections++
    const active = new End('active', protocol)
    const passive = new End('passive', protocol)
    active.other = passive
    passive.other = active
    const count = (direction) => (message) => {
      this.sent[direction]++
      this.onMessage(direction, message)
      if (this.sent[direction] === this.cutAt[direction]) active.cut(new Error('the line was cut'))
    }
    active.onSend = count('out')
    passive.onSend = count('in')
    this.passive.push(serveReplication(passive, this.#options))
    return active
  }
}
