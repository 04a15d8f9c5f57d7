import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { expect } from 'chai'
import { silentLogger, systemClock } from '@kithmesh/core'
import { encodeMessage, natProbe, newTransactionId, openStunTcp, openStunUdp } from '@kithmesh/stun'
import { eventually, manualClock } from '@kithmesh/testkit'
import { Stage } from './support/relays.ts'

const portOf = (url: string | undefined): number => Number(url?.split(':').at(-1))

describe('the STUN server of a relay', () => {
  const stage = new Stage()
  afterEach(() => stage.end())

  it('says over UDP and TCP, on both ports, where requests come from', async () => {
    const relay = await stage.relay()
    // By a clock that stands still, it asks once, however busy the machine is.
    const udp = stage.use(await openStunUdp({ localAddress: '127.0.0.1', clock: manualClock() }))
    expect(relay.urls.stun).to.have.length(2)
    for (const url of relay.urls.stun) {
      const server = { address: '127.0.0.1', port: portOf(url) }
      const { mapped, other } = await udp.bind(server)
      expect([mapped, other]).to.deep.equal([{ address: '127.0.0.1', port: udp.localPort }, undefined])
      const tcp = stage.use(await openStunTcp({ server }))
      expect((await tcp.bind()).mapped).to.deep.equal({ address: '127.0.0.1', port: tcp.localPort })
    }
    expect(relay.status.stun).to.deep.equal({ answers: 4, dropped: 0 })
  })

  it('with two addresses answers from the other one, and the other port, when it is asked to (RFC 5780)', async () => {
    const relay = await stage.relay({ host: ['127.0.0.1', '127.0.0.2'] })
    const [first, , alternate] = relay.urls.stun.map(portOf)
    const udp = stage.use(await openStunUdp({ localAddress: '127.0.0.1' }))
    const server = { address: '127.0.0.1', port: first! }
    expect((await udp.bind(server)).other).to.deep.equal({ address: '127.0.0.2', port: alternate! })
    for (const [ip, port] of [
      [true, true],
      [true, false],
      [false, true]
    ] as const) {
      const wanted = { address: ip ? '127.0.0.2' : '127.0.0.1', port: port ? alternate! : first! }
      const request = { method: 'binding', attributes: { changeRequest: { ip, port } } } as const
      const { from } = await udp.request(request, server, { acceptFrom: () => true, deadlineMs: 30_000 })
      expect(from).to.deep.equal(wanted)
    }
  })

  it('with one address says that it cannot answer from another one', async () => {
    const relay = await stage.relay()
    const udp = stage.use(await openStunUdp({ localAddress: '127.0.0.1' }))
    const server = { address: '127.0.0.1', port: portOf(relay.urls.stun[0]) }
    const request = { method: 'binding', attributes: { changeRequest: { ip: true, port: true } } } as const
    const { message } = await udp.request(request, server, { deadlineMs: 30_000 })
    expect([message.attributes.errorCode?.code, message.attributes.unknownAttributes]).to.deep.equal([420, [3]])
  })

  it('lets the NAT probe find out that there is no NAT', async () => {
    const relay = await stage.relay({ host: ['127.0.0.1', '127.0.0.2'] })
    const loopback = { address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', mac: '', internal: false, cidr: '127.0.0.1/8' } as const
    const probe = natProbe({ servers: relay.urls.stun, networkInterfaces: () => ({ lo: [loopback] }) }).create({
      logger: silentLogger,
      clock: systemClock
    })
    try {
      const { routes } = await probe.measure({ signal: AbortSignal.timeout(30_000) })
      expect(routes[0]).to.deep.include({ localAddress: '127.0.0.1', externalAddress: '127.0.0.1' })
      expect([routes[0]?.udp.mapping, routes[0]?.tcp.mapping]).to.deep.equal(['none', 'none'])
    } finally {
      await probe.shutdown()
    }
  })

  it('leaves one address unanswered that asks too much, and nobody else', async () => {
    const relay = await stage.relay({ limits: { answersPerSecond: 1 } })
    const port = portOf(relay.urls.stun[0])
    const socket = createSocket('udp4').bind(0, '127.0.0.9')
    await once(socket, 'listening')
    try {
      for (let n = 0; n < 60; n++)
        socket.send(
          encodeMessage({ method: 'binding', messageClass: 'request', transactionId: newTransactionId(), attributes: {} }),
          port,
          '127.0.0.1'
        )
      await eventually('requests to be left unanswered', () => relay.status.stun.dropped > 40)
      const udp = stage.use(await openStunUdp({ localAddress: '127.0.0.1' }))
      await udp.bind({ address: '127.0.0.1', port })
    } finally {
      socket.close()
    }
  })
})
