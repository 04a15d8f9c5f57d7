// What strangers on the link may send: records that are malformed, and addresses where nobody ever answers.
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'chai'
import { MessageWriter } from '../../../packages/provider-dnssd/dist/dns-message.js'
import { rrType } from '../../../packages/provider-dnssd/dist/rdata.js'
import { cleanUp, documentBecomes, done, newGroup, run, start, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'
import { connected, startSync } from './support.mjs'

const SERVICE = '_couchbaseP2P._tcp.local'

describe('a hostile network', () => {
  let home
  let socket
  let silent
  let taken = []

  beforeEach(async () => {
    home = temporaryDirectory()
    taken = []
    silent = createServer((stream) => {
      stream.on('error', () => {})
      taken.push(stream)
    }).listen(0, '127.0.0.1')
    await once(silent, 'listening')
  })
  afterEach(async () => {
    socket?.close()
    socket = undefined
    for (const stream of taken) stream.destroy()
    silent.close()
    await cleanUp()
  })

  /** Announces, on the loopback interface only, one service for each TXT, all at the port where nobody answers. */
  async function announce(group, texts, peerIds = []) {
    if (socket === undefined) {
      socket = createSocket({ type: 'udp4', reuseAddr: true })
      // Answers from any other port than this one are not believed (RFC 6762 §6).
      socket.bind(5353, '127.0.0.1')
      await once(socket, 'listening')
      socket.setMulticastInterface('127.0.0.1')
      socket.setMulticastTTL(255)
    }
    for (const [index, bytes] of texts.entries()) {
      const name = `stranger-${index}-${peerIds[index] ?? 'x'}`.slice(0, 40)
      const writer = new MessageWriter(1400)
      const add = (record) => writer.add('answers', { ttl: 120, flush: true, ...record })
      add({ name: `${group}._sub.${SERVICE}`, flush: false, data: { type: rrType.PTR, target: `${name}.${SERVICE}` } })
      add({
        name: `${name}.${SERVICE}`,
        data: { type: rrType.SRV, priority: 0, weight: 0, port: silent.address().port, target: `${name}.local` }
      })
      add({ name: `${name}.${SERVICE}`, data: { type: rrType.TXT, bytes } })
      add({ name: `${name}.local`, data: { type: rrType.A, address: '127.0.0.1' } })
      await new Promise((resolve, reject) => {
        socket.send(writer.finish({ response: true }), 5353, '224.0.0.251', (error) => (error === null ? resolve() : reject(error)))
      })
    }
  }

  /** TXT data that claims a peer id. */
  const claim = (id) => Buffer.from(`\x30_PID=${Buffer.from(id, 'hex').toString('base64url')}`)

  const malformed = [
    Buffer.alloc(0),
    Buffer.from([0]),
    Buffer.from([200, 0x61]),
    Buffer.from('\x05=oops'),
    Buffer.concat([Buffer.from([4]), Buffer.from([0xff, 0xfe, 0x3d, 0x00])]),
    Buffer.concat(Array.from({ length: 80 }, () => Buffer.from('\x0bkey=\u001b[2J;x'))),
    Buffer.from('\x0dpeerId=\u001b[2Jx')
  ]

  it('malformed TXT records disturb nobody and cannot reach the terminal', async () => {
    const group = newGroup()
    const names = ['shop', 'store'].map(uniqueName)
    const [a, b] = names.map((name) => startSync(join(home, name), group, name))
    await a.event(({ event }) => event === 'started', 'the start')
    for (const _ of [1, 2]) await announce(group, malformed)
    await Promise.all([connected(a), connected(b)])
    await announce(group, malformed)
    await done(['put', join(home, names[0]), 'x', '{}'])
    await documentBecomes(join(home, names[1]), 'x', (body) => body !== undefined)
    const peers = start(['peers', '--group', group, '--interface', 'lo', '--seconds', 5])
    while (!peers.over) {
      await announce(group, malformed)
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
    expect(await peers.ended, peers.err).to.equal(0)
    expect(peers.out).to.match(new RegExp(`^${names[0]}\t`, 'm'))
    expect(peers.out).to.include('stranger-')
    expect(peers.out).not.to.include('\u001b')
    for (const one of [a, b]) {
      expect(await one.stop(), one.err).to.equal(0)
      expect(one.err).to.equal('')
    }
  })

  it('a peer that takes connections and never answers keeps nobody from the others', async () => {
    const group = newGroup()
    const names = ['shop', 'store'].map(uniqueName)
    const ids = ['00', 'ff'].map((pair) => pair.repeat(32))
    const [a] = [startSync(join(home, names[0]), group, names[0])]
    await a.event(({ event }) => event === 'started', 'the start')
    await announce(
      group,
      ids.map((id) => claim(id)),
      ids
    )
    await a.event(({ event, name }) => event === 'link' && name.startsWith('stranger'), 'the stranger')
    const b = startSync(join(home, names[1]), group, names[1])
    await b.event(({ event, state, name }) => event === 'link' && name === names[0] && (state === 'busy' || state === 'idle'), 'the link')
    await done(['put', join(home, names[0]), 'x', '{}'])
    await documentBecomes(join(home, names[1]), 'x', (body) => body !== undefined)
    expect(await a.stop(), a.err).to.equal(0)
    expect(await b.stop(), b.err).to.equal(0)
  })

  it('a listener that never answers is given up with the reason', async () => {
    const outcomes = await Promise.all(
      [['ws'], ['wss', '--insecure']].map(([scheme, ...trust]) => {
        const url = `${scheme}://127.0.0.1:${silent.address().port}/db`
        return run(['replicate', join(home, scheme), url, '--attempts', 1, '--json', ...trust])
      })
    )
    for (const outcome of outcomes) {
      expect(outcome.code, outcome.err).to.equal(1)
      const report = JSON.parse(outcome.err)
      expect(report.code).to.equal('ERR_REPL_CONNECT')
      expect(report.error).to.match(/did not|within/)
      expect(report.hint).not.to.equal('')
    }
  })
})
