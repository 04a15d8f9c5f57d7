import { manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { watchNetwork } from '../dist/network-watch.js'

describe('watching the network', () => {
  it('tells when an address appears, and not when one goes', async () => {
    const clock = manualClock()
    let addresses = ['eth0 192.0.2.1']
    let told = 0
    const end = watchNetwork(
      clock,
      () => {
        told++
      },
      () => addresses
    )
    const after = async (now: string[]): Promise<number> => {
      addresses = now
      await clock.advance(3_000)
      return told
    }
    expect(await after(['eth0 192.0.2.1'])).to.equal(0)
    expect(await after([])).to.equal(0)
    expect(await after(['eth0 192.0.2.1'])).to.equal(1)
    expect(await after(['eth0 192.0.2.1', 'wlan0 192.0.2.1'])).to.equal(2)
    expect(await after(['wlan0 192.0.2.1'])).to.equal(2)
    end()
    expect(await after(['tun0 192.0.2.9'])).to.equal(2)
    expect(clock.pending).to.equal(0)
  })

  it("looks at this machine's own addresses by default", async () => {
    const clock = manualClock()
    const end = watchNetwork(clock, () => {
      throw new Error('nothing changed')
    })
    await clock.advance(6_000)
    end()
  })
})
