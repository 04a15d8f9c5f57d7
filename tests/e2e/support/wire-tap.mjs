// Listens in on the connections of a replicator: its endpoint is wrapped, and every message either way is decoded and counted.
import { ERROR, FrameDecoder, MORE_COMING, PropertiesParser, REQUEST } from '@kithmesh/blip/wire'

/** Puts the frames of one direction of one connection together. */
class Direction {
  #decoder = new FrameDecoder()
  #open = new Map()

  /** The message that this frame completes, if any: `{ kind, number, properties, body }`. */
  frame(bytes) {
    const frame = this.#decoder.decode(bytes)
    if (frame.type > ERROR || frame.ignored) return undefined
    const key = `${frame.type === REQUEST ? 'request' : 'reply'} ${frame.number}`
    const message = this.#open.get(key) ?? { parser: new PropertiesParser(), properties: undefined, pieces: [] }
    this.#open.set(key, message)
    let { start } = frame
    if (message.properties === undefined) {
      const parsed = message.parser.push(frame.content, start, frame.end)
      start = parsed?.next ?? frame.end
      message.properties = parsed?.properties
    }
    message.pieces.push(Buffer.from(frame.content.subarray(start, frame.end)))
    if ((frame.flags & MORE_COMING) !== 0) return undefined
    this.#open.delete(key)
    const kind = frame.type === REQUEST ? 'request' : frame.type === ERROR ? 'error' : 'response'
    return { kind, number: frame.number, properties: message.properties ?? {}, body: Buffer.concat(message.pieces) }
  }

  close() {
    this.#decoder.close()
  }
}

/** What went over the wire since the last `reset`, seen from the active side: `out` are its own messages. */
export class WireTap {
  #requests = new Map()
  #connections = 0
  /** Told each checkpoint that is about to be saved at the peer. */
  onCheckpoint = () => {}
  /** Told each request, with its direction, properties and body. */
  onRequest = () => {}

  constructor() {
    this.reset()
  }

  reset() {
    /** One entry for each revision sent: `{ direction, collection, id, rev, delta }`. */
    this.revisions = []
    /** One for each document in a change list or proposal. */
    this.announced = []
    /** The digest of each blob that was transferred. */
    this.blobs = []
    this.messages = 0
    this.errors = []
  }

  /** What was sent more than once. */
  get repeated() {
    const seen = new Set()
    return [...this.revisions.map(({ direction, collection, id, rev }) => `${direction} ${collection}/${id} ${rev}`), ...this.blobs].filter(
      (key) => {
        const again = seen.has(key)
        seen.add(key)
        return again
      }
    )
  }

  /** The same endpoint, listened in on. */
  on(endpoint) {
    return {
      uid: endpoint.uid,
      description: endpoint.description,
      open: async (options) => this.#tapped(await endpoint.open(options))
    }
  }

  #tapped(socket) {
    const connection = ++this.#connections
    const directions = { out: new Direction(), in: new Direction() }
    const note = (direction, bytes) => {
      const message = directions[direction].frame(bytes)
      if (message !== undefined) this.#note(connection, direction, message)
    }
    return {
      get protocol() {
        return socket.protocol
      },
      get description() {
        return socket.description
      },
      get bufferedBytes() {
        return socket.bufferedBytes
      },
      attach: (handlers) => {
        socket.attach({
          message: (data) => {
            note('in', Buffer.from(data))
            handlers.message(data)
          },
          drained: () => {
            handlers.drained()
          },
          closed: (info) => {
            for (const direction of Object.values(directions)) direction.close()
            handlers.closed(info)
          }
        })
      },
      send: (message) => {
        note('out', Buffer.from(message))
        return socket.send(message)
      },
      pause: () => socket.pause(),
      resume: () => socket.resume(),
      close: (code, reason) => socket.close(code, reason),
      terminate: (error) => socket.terminate(error)
    }
  }

  #note(connection, direction, { kind, number, properties, body }) {
    this.messages++
    const other = direction === 'out' ? 'in' : 'out'
    if (kind !== 'request') {
      const asked = this.#requests.get(`${connection} ${other} ${number}`)
      if (kind === 'error')
        this.errors.push(`${direction} ${asked?.Profile}: ${properties['Error-Domain']} ${properties['Error-Code']} ${body}`)
      else if (asked?.Profile === 'getAttachment') this.blobs.push(asked.digest)
      return
    }
    this.#requests.set(`${connection} ${direction} ${number}`, properties)
    this.onRequest(direction, properties, body)
    const { Profile: profile, collection = '', id, rev, deltaSrc } = properties
    if (profile === 'setCheckpoint' && direction === 'out') this.onCheckpoint(JSON.parse(body.toString()))
    if (profile === 'rev') this.revisions.push({ direction, collection, id, rev, delta: deltaSrc !== undefined })
    if (profile === 'changes' || profile === 'proposeChanges')
      for (const entry of body.length === 0 ? [] : (JSON.parse(body.toString()) ?? []))
        this.announced.push({ direction, collection, entry })
  }
}
