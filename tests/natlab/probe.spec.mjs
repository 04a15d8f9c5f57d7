// Does the NAT probe find out what each kind of router does, with coturn as the STUN server?
import { expect } from 'chai'
import { createNatLab, natKinds } from '@kithmesh/testkit/natlab'
import { expectedOf } from './support/observation.mjs'

const program = new URL('support/probe.mjs', import.meta.url).pathname

describe('the NAT probe', () => {
  let lab
  let stunUrls
  before(async () => {
    lab = await createNatLab({ a: 'open', b: 'open' })
    stunUrls = (await lab.startCoturn()).stunUrls
  })
  after(() => lab?.dispose())

  const measure = async () => JSON.parse(await lab.exec('a', process.execPath, [program, ...stunUrls]))

  for (const kind of natKinds) {
    it(`finds out what ${kind} does`, async () => {
      await lab.setNat('a', kind)
      const [route, ...others] = await measure()
      expect(others).to.deep.equal([])
      expect(route.externalAddress).to.equal(lab.addresses('a').publicIpv4)
      const { mapping, filtering, allocation } = expectedOf[kind]
      for (const protocol of ['udp', 'tcp']) {
        const { ports, ...rest } = route[protocol]
        expect({ ...rest, allocation: ports.kind }).to.deep.equal({ mapping, filtering, allocation })
      }
    })
  }

  it('finds out that UDP is blocked, and measures TCP', async () => {
    await lab.setNat('a', 'port-restricted')
    await lab.blockUdp('a')
    const [route] = await measure()
    await lab.blockUdp('a', false)
    expect(route.udp.mapping).to.equal('blocked')
    expect(route.tcp).to.deep.equal({ mapping: 'endpoint-independent', filtering: 'unknown', ports: { kind: 'equal' } })
    expect(route.externalAddress).to.equal(lab.addresses('a').publicIpv4)
  })
})
