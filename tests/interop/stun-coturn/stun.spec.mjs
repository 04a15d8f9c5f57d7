import { expect } from 'chai'
import { openStunTcp, openStunUdp } from '@kithmesh/stun'
import { startCoturn } from '../../support/coturn.mjs'

describe('STUN with coturn', () => {
  let coturn
  let udp
  before(async () => {
    coturn = await startCoturn()
  })
  after(() => coturn?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    udp = await openStunUdp({ localAddress: '127.0.0.1' })
  })
  afterEach(() => udp.close())

  it('tells the address, and its own other one', async () => {
    const binding = await udp.bind(coturn.address)
    expect(binding.mapped).to.deep.equal({ address: '127.0.0.1', port: udp.localPort })
    expect(binding.other).to.deep.equal({ address: '127.0.0.2', port: coturn.port + 1 })
    expect(binding.origin).to.deep.equal(coturn.address)
    expect(binding.software).to.include('Coturn')
  })

  it('answers from where CHANGE-REQUEST asks it to', async () => {
    for (const [changeRequest, from] of [
      [
        { ip: true, port: true },
        { address: '127.0.0.2', port: coturn.port + 1 }
      ],
      [
        { ip: false, port: true },
        { address: '127.0.0.1', port: coturn.port + 1 }
      ]
    ]) {
      const response = await udp.request({ method: 'binding', attributes: { changeRequest } }, coturn.address, { acceptFrom: () => true })
      expect(response.from).to.deep.equal(from)
      expect(response.message.attributes.xorMappedAddress).to.deep.equal({ address: '127.0.0.1', port: udp.localPort })
    }
  })

  it('answers requests without magic cookie', async () => {
    const { message } = await udp.request({ method: 'binding', legacy: true }, coturn.address)
    expect(message.legacy).to.equal(true)
    expect(message.attributes.mappedAddress).to.deep.equal({ address: '127.0.0.1', port: udp.localPort })
  })

  it('answers signed fingerprints and takes them', async () => {
    const { message } = await udp.request({ method: 'binding', fingerprint: true, attributes: { software: 'kithmesh' } }, coturn.address)
    expect(message.fingerprint).to.equal(true)
  })

  it('answers over TCP on all four of its addresses, from one local port', async () => {
    const clients = []
    let localPort
    for (const address of ['127.0.0.1', '127.0.0.2'])
      for (const port of [coturn.port, coturn.port + 1]) {
        const tcp = await openStunTcp({
          server: { address, port },
          localAddress: '127.0.0.1',
          ...(localPort !== undefined && { localPort })
        })
        clients.push(tcp)
        localPort = tcp.localPort
        expect((await tcp.bind()).mapped).to.deep.equal({ address: '127.0.0.1', port: localPort })
      }
    await Promise.all(clients.map((tcp) => tcp.close()))
  })

  it('answers over TLS', async () => {
    const server = { address: '127.0.0.1', port: coturn.tlsPort }
    const tls = await openStunTcp({ server, tls: { host: 'localhost', ca: coturn.certificate } })
    expect((await tls.bind()).mapped.port).to.equal(tls.localPort)
    await tls.close()
  })
})
