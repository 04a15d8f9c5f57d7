// A listener that writes down what is said: every message of both directions, decoded beside the session that answers.
import { Duplex, Transform, pipeline } from 'node:stream'
import { createTcpListener } from '@kithmesh/transport-direct'
import { createWebSocketAcceptor } from '@kithmesh/websocket'
import { serveReplication } from '@kithmesh/replicator'
// The codec is no public part of the package; its own tests read recordings with it as well.
import { ERROR, FrameDecoder, MORE_COMING, PropertiesParser, REQUEST, RESPONSE } from '@kithmesh/blip/wire'

/** First bytes of WebSocket pings and pongs (RFC 6455 §5.2). */
const PING = 0x89
const PONG = 0x8a

/**
 * Serves one database on 127.0.0.1 and resolves with `{ url, offers, messages, heartbeats, wireBytes(from), close() }`.
 * `offers` are the sub-protocols that each connection offered; `choose` picks one of them. `heartbeats` counts WebSocket pings and pongs of theirs.
 * A message is `{ from: 'them' | 'us', type: 'REQ' | 'RES' | 'ERR', number, properties, body, wireBytes }`, the body as text.
 */
export async function tappedListener(database, { choose = (offered) => offered[0], heartbeatMs, ...settings } = {}) {
  const offers = []
  const messages = []
  const heartbeats = { pings: 0, pongs: 0 }
  const acceptor = createWebSocketAcceptor({
    ...(heartbeatMs !== undefined && { heartbeatMs }),
    selectProtocol(offered) {
      offers.push([...offered])
      return choose(offered)
    },
    onConnection(socket) {
      serveReplication(tapped(socket, messages), { database, ...settings })
    }
  })
  const listener = await createTcpListener({
    host: '127.0.0.1',
    port: 0,
    onConnection(stream, context) {
      acceptor.accept(watched(stream, heartbeats), context)
    }
  })
  return {
    url: `ws://127.0.0.1:${listener.port}/db`,
    offers,
    messages,
    heartbeats,
    wireBytes: (from) => messages.filter((message) => message.from === from).reduce((sum, message) => sum + message.wireBytes, 0),
    async close() {
      acceptor.close()
      await listener.close()
    }
  }
}

/** The same bytes; counts pings and pongs among them. Couchbase Lite sends each by itself, never behind another frame in the same write. */
function watched(stream, heartbeats) {
  const through = new Transform({
    transform(chunk, _encoding, done) {
      if (chunk[0] === PING) heartbeats.pings += 1
      if (chunk[0] === PONG) heartbeats.pongs += 1
      done(null, chunk)
    }
  })
  pipeline(stream, through, () => {})
  return Duplex.from({ readable: through, writable: stream })
}

/** The same socket, whose messages are decoded on their way. */
function tapped(socket, messages) {
  const theirs = reader('them', messages)
  const ours = reader('us', messages)
  return {
    protocol: socket.protocol,
    description: socket.description,
    get bufferedBytes() {
      return socket.bufferedBytes
    },
    attach(handlers) {
      socket.attach({
        message(data) {
          theirs(data)
          handlers.message(data)
        },
        drained: () => handlers.drained(),
        closed: (info) => handlers.closed(info)
      })
    },
    send(message) {
      ours(message)
      return socket.send(message)
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: (code, reason) => socket.close(code, reason),
    terminate: (error) => socket.terminate(error)
  }
}

const typeNames = new Map([
  [REQUEST, 'REQ'],
  [RESPONSE, 'RES'],
  [ERROR, 'ERR']
])

function reader(from, messages) {
  const decoder = new FrameDecoder()
  const open = new Map()
  return (data) => {
    const frame = decoder.decode(Buffer.from(data))
    const type = typeNames.get(frame.type)
    if (type === undefined) return
    const key = `${type} ${frame.number}`
    const message = open.get(key) ?? { type, number: frame.number, parser: new PropertiesParser(), pieces: [], wireBytes: 0 }
    open.set(key, message)
    message.wireBytes += data.length
    let { start } = frame
    if (message.properties === undefined) {
      const parsed = message.parser.push(frame.content, start, frame.end)
      message.properties = parsed?.properties
      start = parsed?.next ?? frame.end
    }
    message.pieces.push(Buffer.from(frame.content.subarray(start, frame.end)))
    if ((frame.flags & MORE_COMING) !== 0) return
    open.delete(key)
    const { number, wireBytes, properties } = message
    messages.push({ from, type, number, properties: { ...properties }, body: Buffer.concat(message.pieces).toString('utf8'), wireBytes })
  }
}
