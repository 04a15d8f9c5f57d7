// Clients that mean harm, against a running `kithmesh serve`: each is refused or cut off, the next one is served, and memory stays bounded.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { cleanUp, done, look, run, temporaryDirectory } from '../support/kithmesh.mjs'
import { HostileClient } from './hostile-client.mjs'
import { startServe } from './support.mjs'

const MIB = 1024 * 1024

describe('a hostile client of kithmesh serve', () => {
  let home
  let served
  let server
  let clients = []

  beforeEach(async () => {
    home = temporaryDirectory()
    served = join(home, 'served')
    await done(['put', served, 'ours', '{"n":1}'])
    server = await startServe(served, '--tls', 'off')
  })
  afterEach(async () => {
    for (const client of clients) client.destroy()
    clients = []
    await cleanUp()
  })

  const hostile = async () => {
    const client = await HostileClient.open(server.port, 'db')
    clients.push(client)
    return client
  }
  /** A client that has agreed on the default collection. */
  const welcomed = async () => {
    const client = await hostile()
    const reply = await client.ask({ Profile: 'getCollections' }, '{"checkpoint_ids":["cp-hostile"],"collections":["_default"]}')
    expect(reply.type).to.equal('response')
    return client
  }
  const rev = (client, id, body, more = {}) =>
    client.ask({ Profile: 'rev', collection: '0', id, rev: '1-abcdef', sequence: '1', ...more }, body)

  /** The same process goes on, and serves whoever behaves. */
  const servesTheNext = async () => {
    const name = `good:${randomBytes(4).toString('hex')}`
    const copy = join(home, randomBytes(4).toString('hex'))
    await done(['put', copy, name, '{"fine":true}'])
    const outcome = await run(['replicate', copy, server.url, '--json'])
    expect(outcome.code, outcome.err).to.equal(0)
    expect(await done(['get', copy, 'ours'])).to.equal('{"n":1}\n')
    expect(await done(['get', served, name])).to.equal('{"fine":true}\n')
    expect(server.over, server.err).to.equal(false)
    expect(await server.stop(), server.err).to.equal(0)
    expect(server.err).not.to.match(/\n\s+at /)
    await look(served, (database) => database.checkIntegrity())
  }

  /** The most memory the server has had so far, bytes; 0 where the system does not tell. */
  const peakMemory = () => {
    const file = `/proc/${server.pid}/status`
    return existsSync(file) ? Number(/VmHWM:\s+(\d+)/.exec(readFileSync(file, 'utf8'))?.[1] ?? 0) * 1024 : 0
  }

  const fatal = {
    'random bytes behind the header of a request': (client) => client.message(Buffer.concat([Buffer.from([1, 0]), randomBytes(5000)])),
    'an empty frame': (client) => client.message(Buffer.alloc(0)),
    'a frame cut off in its header': (client) => client.message(Buffer.from([0x81])),
    'a frame shorter than its checksum': (client) => client.message(Buffer.from([1, 0, 1, 2])),
    'a wrong checksum': (client) => client.message(Buffer.from([1, 0, 0, 0xde, 0xad, 0xbe, 0xef])),
    'a number of more than ten bytes': (client) => client.message(Buffer.alloc(20, 0xff)),
    'properties that are longer than they may be': (client) => client.frame(1, 0, Buffer.from([0xff, 0xff, 0xff, 0x7f])),
    'properties that go beyond their message': (client) => client.frame(1, 0, Buffer.from([100, 0x61, 0])),
    'properties that are not UTF-8': (client) => client.frame(1, 0, Buffer.from([4, 0xff, 0, 0xfe, 0])),
    'an odd number of properties': (client) => client.frame(1, 0, Buffer.from([2, 0x61, 0])),
    'compressed nonsense': (client) => client.frame(1, 8, randomBytes(200)),
    'a message number out of order': (client) => client.frame(7, 0, Buffer.from([0])),
    'an answer to a question never asked': (client) => client.frame(9, 1, Buffer.from([0])),
    'a WebSocket message that is announced with petabytes': (client) => client.announce(2n ** 50n),
    'a WebSocket message above the limit for frames': (client) => client.message(Buffer.alloc(2 * MIB)),
    'text instead of bytes': (client) => client.message(Buffer.from('{}'), 0x81),
    'a WebSocket frame that is not masked': (client) => client.raw(Buffer.from([0x82, 1, 0]))
  }

  it('is cut off when it breaks the framing, whatever way', async () => {
    for (const [what, send] of Object.entries(fatal)) {
      const client = await hostile()
      send(client)
      await eventually(`the end after ${what}`, () => client.over)
    }
    await servesTheNext()
  })

  it('is told which documents are malformed, one by one, and none of them is stored', async () => {
    const client = await welcomed()
    const bodies = { 'no JSON': '{"a":', 'an array': '[1]', 'no UTF-8': Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]) }
    for (const [what, body] of Object.entries(bodies))
      expect(await rev(client, `bad:${what}`, body), what).to.deep.include({ type: 'error', domain: 'HTTP', code: 400 })
    for (const [what, more] of Object.entries({
      'a revision that is none': { rev: 'nonsense' },
      'an id that is too long': { id: 'x'.repeat(300) },
      'a history that does not fall': { rev: '3-ab', history: '7-aa' },
      'another collection': { collection: '99' }
    }))
      expect(await rev(client, 'bad', '{}', more), what).to.deep.include({ type: 'error', domain: 'HTTP', code: 400 })
    expect(await client.ask({ Profile: 'no such thing' }, '')).to.deep.include({ type: 'error', domain: 'BLIP', code: 404 })
    expect(await rev(client, 'deep', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`)).to.have.property('type')
    expect(await rev(client, 'good', '{"n":2}')).to.deep.include({ type: 'response' })
    expect(await done(['ls', served]))
      .to.match(/good\nours\n$/)
      .and.not.to.match(/bad/)
    await servesTheNext()
  })

  it('cannot store a document above 20 MiB, however far above', async () => {
    for (const bytes of [20 * MIB + 1, 25 * MIB]) {
      const client = await welcomed()
      const reply = await rev(client, 'huge', Buffer.from(`{"a":"${'x'.repeat(bytes - 8)}"}`))
      expect(reply, String(bytes)).to.deep.include({ type: 'error', code: 413 })
      expect(await rev(client, `small:${bytes}`, '{}')).to.deep.include({ type: 'response' })
    }
    expect(await done(['ls', served])).to.equal(`ours\nsmall:${20 * MIB + 1}\nsmall:${25 * MIB}\n`)
    await servesTheNext()
  })

  it('cannot store a document with a blob of another digest or length, or of none', async () => {
    const bytes = randomBytes(5000)
    const digest = `sha1-${createHash('sha1').update(bytes).digest('base64')}`
    const answers = {
      'other bytes': (client, number) => client.answer(number, randomBytes(5000)),
      'too few bytes': (client, number) => client.answer(number, bytes.subarray(1)),
      'too many bytes': (client, number) => client.answer(number, Buffer.concat([bytes, bytes])),
      'no bytes': (client, number) => client.answer(number, Buffer.alloc(0)),
      'an error': (client, number) => client.refuse(number)
    }
    for (const [what, answer] of Object.entries(answers)) {
      const client = await welcomed()
      client.onRequest = ({ number, properties }) => {
        if (properties.Profile === 'getAttachment') answer(client, number)
      }
      const body = JSON.stringify({ picture: { '@type': 'blob', content_type: 'image/png', digest, length: bytes.length } })
      expect(await rev(client, 'with blob', body), what).to.deep.include({ type: 'error' })
      expect(await done(['ls', served]), what).to.equal('ours\n')
    }
    const left = await look(served, (database) => database.blobs.size(digest))
    expect(left).to.equal(undefined)
    expect(readdirSync(join(served, 'blobs', 'tmp'))).to.deep.equal([])
    await servesTheNext()
  })

  it('cannot fill the memory with messages that do not end', async () => {
    const piece = randomBytes(16_000)
    const first = Buffer.concat([Buffer.from([0]), piece])
    for (const messages of [200, 100_000]) {
      const client = await hostile()
      let sent = 0
      // Many messages, all of them open, and never minding what is acknowledged.
      for (let n = 0; !client.over && sent < 1024 * MIB; n++) {
        client.frame((n % messages) + 1, 0x40, n < messages ? first : piece)
        sent += piece.length
        if (client.buffered > MIB) await client.drained()
        else if (n % 16 === 0) await turn()
      }
      await client.ended
      expect(sent).to.be.below(512 * MIB)
    }
    expect(peakMemory()).to.be.below(400 * MIB)
    await servesTheNext()
  })

  it('cannot fill the memory by asking without reading the answers', async () => {
    const text = 'x'.repeat(200_000)
    await done(['import', served], { stdin: Array.from({ length: 100 }, (_, n) => `{"_id":"large:${n}","text":"${text}${n}"}\n`).join('') })
    const silent = []
    for (let n = 0; n < 10; n++) {
      const client = await welcomed()
      client.onRequest = ({ number, properties, body }) => {
        // Wants everything that is announced, and then looks no more.
        if (properties.Profile !== 'changes' || body.length < 3) return
        client.answer(number, JSON.stringify(JSON.parse(body.toString()).map(() => [])))
        client.pause()
      }
      await client.ask({ Profile: 'subChanges', collection: '0', batch: '200' }, '')
      silent.push(client)
    }
    await eventually('the announcements', () => silent.every((client) => client.paused))
    const before = peakMemory()
    expect(before).to.be.below(400 * MIB)
    await servesTheNext()
  })

  it('keeps nobody out by saying nothing, at any stage', async () => {
    const silent = []
    for (let n = 0; n < 100; n++) {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => {})
      await once(socket, 'connect')
      // A request for an upgrade that does not end.
      if (n % 2 === 0) socket.write('GET /db/_blipsync HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ')
      silent.push(socket)
    }
    for (let n = 0; n < 20; n++) {
      const client = await welcomed()
      // Subscribes and never answers what it is told.
      if (n % 2 === 0) await client.ask({ Profile: 'subChanges', collection: '0', continuous: 'true' }, '')
    }
    try {
      await servesTheNext()
    } finally {
      for (const socket of silent) socket.destroy()
    }
  })

  it('is refused before the upgrade with a plain HTTP answer', async () => {
    const answerTo = async (request) => {
      const socket = connect(server.port, '127.0.0.1')
      let text = ''
      socket.setEncoding('latin1').on('data', (part) => {
        text += part
      })
      socket.on('error', () => {})
      socket.write(request)
      await once(socket, 'close')
      return text.split('\r\n', 1)[0]
    }
    expect(await answerTo('nonsense\r\n\r\n')).to.match(/^HTTP\/1\.1 400 /)
    expect(await answerTo('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).to.match(/^HTTP\/1\.1 4\d\d /)
    expect(await answerTo(`GET /db/_blipsync HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`)).to.match(/^(HTTP\/1\.1 4\d\d |$)/)
    await servesTheNext()
  })
})
