import type { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { describeSocketFactory, eventually } from '@kithmesh/testkit'
import { decodeTunnelFrame } from '../../dist/gatt/tunnel-carrier.js'
import { tunnelPair } from './tunnels.js'
import { never } from '../l2cap/links.js'
import { collected, noise, sha256 } from '../l2cap/traffic.js'

for (const [label, maxBytes, depth] of [
  ['streams through the stream characteristic', 244, 4],
  ['streams through the stream characteristic with the smallest ATT MTU', 20, 1],
  ['streams through the stream characteristic with the largest values', 514, Number.POSITIVE_INFINITY]
] as const) {
  // Every listener has a connection of its own, as every device has.
  const tunnels = new Map<string, ReturnType<typeof tunnelPair>>()
  const accepts = new Map<string, (stream: Duplex) => void>()
  let next = 0
  const refused = tunnelPair()
  describeSocketFactory(label, {
    factory: {
      framing: 'bytes',
      schemes: ['l2cap'],
      open: async (url, { signal }) => {
        signal.throwIfAborted()
        const { host } = new URL(url)
        return await (accepts.has(host) ? (tunnels.get(host) ?? refused) : refused).central.tunnel.open({ signal })
      }
    },
    listen: async (accept) => {
      const host = `c0ffee${String(++next).padStart(6, '0')}`
      accepts.set(host, accept)
      tunnels.set(host, tunnelPair({ maxBytes, depth, limits: { channels: 64, pendingOpens: 64 }, accept }))
      return { url: `l2cap://${host}`, close: async () => void accepts.delete(host) }
    }
  })
}

describe('tunnel through the stream characteristic', () => {
  it('refuses streams where nobody takes them', async () => {
    const { central } = tunnelPair()
    const error = await central.tunnel.open({ signal: never }).then(
      () => undefined,
      (reason: unknown) => reason
    )
    expect(errorCode(error)).to.equal('ERR_BLE_CHANNEL_REFUSED')
  })

  it('fits its frames into values of the size that arrives, before and after the MTU grows', async () => {
    const accepted: Duplex[] = []
    const { central, publisher } = tunnelPair({ maxBytes: 20, accept: (stream) => accepted.push(stream) })
    const lengths: number[] = []
    const { receive } = publisher.tunnel
    publisher.tunnel.receive = (value) => {
      lengths.push(value.length)
      receive.call(publisher.tunnel, value)
    }
    const stream = await central.tunnel.open({ signal: never })
    const [first, second] = [noise(5_000, 1), noise(5_000, 2)]
    const received = collected(await eventually('the stream', () => accepted[0]))
    stream.write(first)
    await eventually('the first part', () => received.bytes === first.length)
    expect(Math.max(...lengths)).to.equal(20)
    central.line.maxBytes = 185
    stream.end(second)
    await received.ended
    expect(Math.max(...lengths)).to.equal(185)
    expect(received.sha256()).to.equal(sha256(first, second))
  })

  it('gives the line no more than it takes', async () => {
    const accepted: Duplex[] = []
    const { central, publisher } = tunnelPair({ depth: 3, accept: (stream) => accepted.push(stream) })
    const stream = await central.tunnel.open({ signal: never })
    const received = collected(await eventually('the stream', () => accepted[0]))
    stream.end(noise(200_000))
    await received.ended
    expect(central.line.mostWaiting).to.equal(3)
    expect(publisher.line.mostWaiting).to.be.at.most(3)
  })

  it('fails its streams when the connection is lost, once', async () => {
    const accepted: Duplex[] = []
    const { central, publisher } = tunnelPair({ accept: (stream) => accepted.push(stream) })
    const stream = await central.tunnel.open({ signal: never })
    const other = await eventually('the stream', () => accepted[0])
    for (const { line } of [central, publisher]) line.broken = true
    for (const { tunnel } of [central, publisher]) {
      tunnel.closed(new Error('out of range'))
      tunnel.closed(new Error('twice'))
    }
    await eventually('both to be closed', () => stream.closed && other.closed)
    expect(errorCode(stream.errored)).to.equal('ERR_BLE_LINK_LOST')
    expect(errorCode(other.errored)).to.equal('ERR_BLE_LINK_LOST')
    const error = await central.tunnel.open({ signal: never }).then(
      () => undefined,
      (reason: unknown) => reason
    )
    expect(errorCode(error)).to.equal('ERR_BLE_LINK_LOST')
  })

  it('ignores values that are no frames', () => {
    const { central, publisher } = tunnelPair()
    for (const value of ['', '05', '0500', '050001', '0400aa', '4000', '4000aabb', 'ffff00']) {
      central.tunnel.receive(Buffer.from(value, 'hex'))
      publisher.tunnel.receive(Buffer.from(value, 'hex'))
    }
    expect(decodeTunnelFrame(Buffer.from('05', 'hex'))).to.equal(undefined)
    expect(decodeTunnelFrame(Buffer.from('400001', 'hex'))).to.deep.equal({ cid: 0x40, payload: Buffer.of(1) })
    expect([central.line.failed, publisher.line.failed]).to.deep.equal([undefined, undefined])
  })

  it('has streams at one PSM only', () => {
    const accepted: Duplex[] = []
    const { publisher } = tunnelPair({ accept: (stream) => accepted.push(stream) })
    for (const psm of ['8100', '0100', '0000', 'ff00']) publisher.tunnel.receive(Buffer.from(`050014010a00${psm}50000008f7004000`, 'hex'))
    expect([accepted.length, publisher.tunnel.streams]).to.deep.equal([0, 0])
    publisher.tunnel.receive(Buffer.from('050014010a00800050000008f7004000', 'hex'))
    expect([accepted.length, publisher.tunnel.streams]).to.deep.equal([1, 1])
  })

  it('fails the line, and its streams, when commands come without end and answers do not leave', async () => {
    const accepted: Duplex[] = []
    const { central } = tunnelPair({ depth: 1 })
    const { publisher } = tunnelPair({ depth: 1, accept: (stream) => accepted.push(stream) })
    publisher.tunnel.receive(Buffer.from('050014010a00800050000008f7004000', 'hex'))
    for (let index = 0; index < 1_000; index++)
      for (const { tunnel } of [central, publisher]) tunnel.receive(Buffer.from('05000a0102000000', 'hex'))
    for (const { line } of [central, publisher]) {
      expect(errorCode(line.failed)).to.equal('ERR_BLE_PROTOCOL')
      expect(line.mostWaiting).to.equal(1)
    }
    await eventually('the stream to be closed', () => accepted[0]!.closed)
    expect(errorCode(accepted[0]!.errored)).to.equal('ERR_BLE_PROTOCOL')
  })
})
