import { Buffer } from 'node:buffer'
import { expect } from 'chai'
import { packGroups, packQuery, packetBytes } from '../dist/packets.js'
import { recordKey, rrType } from '../dist/rdata.js'
import { serviceRecords } from '../dist/records.js'
import { decodeMessage } from '../dist/dns-message.js'
import type { Message, ResourceRecord } from '../dist/dns-message.js'

const of = (index: number, txtBytes = 40): ReturnType<typeof serviceRecords> =>
  serviceRecords(
    {
      label: `Service ${index}`,
      serviceType: '_couchbaseP2P._tcp',
      groups: ['my.app'],
      host: 'shop',
      port: 1000 + index,
      txt: Buffer.alloc(txtBytes, 65)
    },
    ['192.0.2.1', 'fe80::1']
  )
const pointer = (index: number, ttl = 4500): ResourceRecord => ({
  name: 'my\\.app._sub._couchbaseP2P._tcp.local',
  ttl,
  flush: false,
  data: { type: rrType.PTR, target: `Service ${index}._couchbaseP2P._tcp.local` }
})
const read = (packets: readonly Buffer[]): Message[] => packets.map((packet) => decodeMessage(packet) as Message)

describe('packing', () => {
  it('spreads a thousand services over packets of at most 1,400 bytes, each answer with its additional records', () => {
    const groups = Array.from({ length: 1000 }, (_, index) => ({
      answers: [pointer(index)],
      additionals: [...of(index).instance, ...of(index).addresses]
    }))
    const packets = packGroups(groups, { response: true })
    expect(Math.max(...packets.map((packet) => packet.length))).to.be.at.most(packetBytes)
    expect(packets.length).to.be.below(120)
    const messages = read(packets)
    expect(messages.flatMap(({ answers }) => answers).map(recordKey)).to.deep.equal(
      groups.map(({ answers: [answer] }) => recordKey(answer!))
    )
    for (const { answers, additionals } of messages) {
      expect(additionals.filter(({ data }) => data.type === rrType.SRV).length).to.equal(answers.length)
      expect(additionals.filter(({ data }) => data.type === rrType.A).length).to.equal(1)
    }
  })
  it('gives a large record a packet of its own and leaves out what fits nowhere', () => {
    const groups = [40, 3000, 9000, 40].map((size, index) => ({ answers: [of(index, size).instance[1]!], additionals: [pointer(index)] }))
    const messages = read(packGroups(groups, { response: true }))
    expect(messages.flatMap(({ answers }) => answers.map(({ data }) => (data.type === rrType.TXT ? data.bytes.length : 0)))).to.deep.equal([
      40, 3000, 40
    ])
  })
  it('continues a list of known answers in packets without questions, the TC bit on all but the last', () => {
    const known = Array.from({ length: 300 }, (_, index) => pointer(index))
    const packets = packQuery([{ name: pointer(0).name, type: rrType.PTR }], known, 99)
    const messages = read(packets)
    expect(packets.length).to.be.above(2)
    expect(Math.max(...packets.map((packet) => packet.length))).to.be.at.most(packetBytes)
    expect(messages.map(({ questions }) => questions.length)).to.deep.equal([1, ...messages.slice(1).map(() => 0)])
    expect(messages.map(({ truncated }) => truncated)).to.deep.equal([...messages.slice(1).map(() => true), false])
    expect(new Set(messages.map(({ id }) => id))).to.deep.equal(new Set([99]))
    expect(messages.flatMap(({ answers }) => answers).map(recordKey)).to.deep.equal(known.map(recordKey))
  })
  it('spreads many questions over packets without the TC bit', () => {
    const questions = Array.from({ length: 500 }, (_, index) => ({ name: of(index).name, type: rrType.SRV }))
    const messages = read(packQuery(questions))
    expect(messages.length).to.be.above(1)
    expect(messages.some(({ truncated }) => truncated)).to.equal(false)
    expect(messages.flatMap((message) => message.questions).map(({ name }) => name)).to.deep.equal(questions.map(({ name }) => name))
  })
  it('sends a single query with id 0', () => {
    expect(read(packQuery([{ name: 'a.local', type: rrType.A }], [], 99))[0]?.id).to.equal(0)
  })
})
