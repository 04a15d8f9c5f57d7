import { expect } from 'chai'
import {
  COMPRESSED,
  FrameDecoder,
  FrameEncoder,
  MORE_COMING,
  NO_REPLY,
  TYPE_MASK,
  URGENT,
  parseProperties,
  propertiesBlock,
  readVarint
} from '@kithmesh/blip/wire'
import { describeRecordings } from './describe-recordings.ts'
import { readTraceConnections, type TraceFrame } from './trace-file.ts'
import { decodeTraceMessages } from './trace-messages.ts'

const types = { REQ: 0, RES: 1, ERR: 2, ACKREQ: 4, ACKRES: 5 }

function expectBody(body: Buffer, frame: TraceFrame): void {
  expect(body.length).to.equal(frame.bodyLength)
  const recorded = frame.body ?? ''
  if (recorded.startsWith('(binary) ')) {
    const prefix = recorded.slice('(binary) '.length)
    expect(prefix).to.have.length.above(0)
    expect(body.toString('hex').slice(0, prefix.length)).to.equal(prefix)
    return
  }
  const text = body.toString('utf8')
  if (Buffer.byteLength(recorded) === body.length) expect(text).to.equal(recorded)
  else {
    expect(recorded).to.have.length.above(400)
    expect(recorded.endsWith('...')).to.equal(true)
    expect(text.startsWith(recorded.slice(0, -3))).to.equal(true)
  }
}

describeRecordings('recorded Couchbase Lite conversations', '', (name) => {
  it('decodes to what the recorder decoded', () => {
    for (const connection of readTraceConnections(name)) {
      const decoders = { 'A>B': new FrameDecoder(), 'B>A': new FrameDecoder() }
      let frames = 0
      for (const entry of connection.entries) {
        if (entry.kind !== 'frame') continue
        frames++
        const frame = decoders[entry.direction].decode(Buffer.from(entry.bytes))
        expect(frame.number).to.equal(entry.number)
        expect(frame.type).to.equal(types[entry.type])
        expect((frame.flags & COMPRESSED) !== 0).to.equal(entry.compressed)
        expect((frame.flags & URGENT) !== 0).to.equal(entry.urgent)
        expect((frame.flags & NO_REPLY) !== 0).to.equal(entry.noReply)
        expect((frame.flags & MORE_COMING) !== 0).to.equal(entry.moreComing)
        if (entry.ackBytes === undefined) expect(frame.end - frame.start).to.equal(entry.contentBytes)
        else expect(frame.ackBytes).to.equal(entry.ackBytes)
      }
      expect(frames).to.be.above(1)

      const messages = decodeTraceMessages(connection)
      const recorded = connection.entries.filter((entry) => entry.kind === 'frame' && entry.properties !== undefined)
      expect(messages.map((message) => message.lastFrame)).to.deep.equal(recorded)
      for (const message of messages) {
        expect({ ...message.properties }).to.deep.equal(message.lastFrame.properties)
        expectBody(message.body, message.lastFrame)
      }
    }
  })

  it('has acknowledgements that count content and checksum as on the wire', () => {
    for (const connection of readTraceConnections(name)) {
      const received = new Map<string, Set<number>>()
      for (const entry of connection.entries) {
        if (entry.kind !== 'frame') continue
        if (entry.ackBytes === undefined) {
          const key = `${entry.direction} ${entry.type === 'REQ' ? 'REQ' : 'RES'} ${entry.number}`
          const totals = received.get(key) ?? new Set([0])
          totals.add(Math.max(...totals) + entry.bytes.length - headerLength(entry.bytes))
          received.set(key, totals)
        } else {
          const other = entry.direction === 'A>B' ? 'B>A' : 'A>B'
          const totals = received.get(`${other} ${entry.type === 'ACKREQ' ? 'REQ' : 'RES'} ${entry.number}`)
          expect([...(totals ?? [])]).to.include(entry.ackBytes)
        }
      }
    }
  })

  it('encodes to frames that decode to the same, uncompressed ones byte for byte', () => {
    for (const connection of readTraceConnections(name)) {
      for (const direction of ['A>B', 'B>A']) {
        const decoder = new FrameDecoder()
        const encoder = new FrameEncoder()
        const checker = new FrameDecoder()
        const started = new Set<string>()
        for (const entry of connection.entries) {
          if (entry.kind !== 'frame' || entry.direction !== direction) continue
          const frame = decoder.decode(Buffer.from(entry.bytes))
          if (entry.ackBytes !== undefined) {
            const ack = encoder.encodeAck(frame.number, frame.type as 4 | 5, frame.ackBytes)
            expect(ack.toString('hex')).to.equal(entry.bytes.toString('hex'))
            continue
          }
          const { content, start, end } = frame
          const key = `${frame.flags & TYPE_MASK} ${frame.number}`
          let encoded: Buffer
          if (started.has(key)) encoded = encoder.encode(frame.number, frame.flags, undefined, content, start, end)
          else {
            started.add(key)
            const cursor = { position: start }
            const length = readVarint(content, cursor, end)
            const bodyStart = cursor.position + length
            const head = propertiesBlock(undefined, parseProperties(content, cursor.position, bodyStart))
            encoded = encoder.encode(frame.number, frame.flags, head, content, bodyStart, end)
          }
          if (!entry.compressed) expect(encoded.equals(entry.bytes)).to.equal(true)
          const again = checker.decode(Buffer.from(encoded))
          expect(again.number).to.equal(frame.number)
          expect(again.flags).to.equal(frame.flags)
          expect(again.content.subarray(again.start, again.end).equals(content.subarray(start, end))).to.equal(true)
        }
        expect(started.size).to.be.above(0)
      }
    }
  })
})

function headerLength(bytes: Buffer): number {
  const cursor = { position: 0 }
  readVarint(bytes, cursor, bytes.length)
  return cursor.position + 1
}
