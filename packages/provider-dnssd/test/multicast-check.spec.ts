import { checkMulticast } from '@kithmesh/provider-dnssd'
import { manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { nextPort } from './support/ports.ts'

describe('the check of multicast', () => {
  it('hears itself on loopback, and ends as soon as it does', async () => {
    // A clock that stands still: it does not wait for time to pass.
    const [only, ...others] = await checkMulticast({ interfaces: ['127.0.0.1'], port: nextPort(), clock: manualClock() })
    expect(others).to.deep.equal([])
    expect(only).to.deep.include({ heard: true, error: undefined })
  })

  it('has nothing to say of interfaces that are not there', async () => {
    expect(await checkMulticast({ interfaces: ['nope7'], port: nextPort() })).to.deep.equal([])
  })

  it('ends unheard when it is aborted', async () => {
    const [only] = await checkMulticast({ interfaces: ['127.0.0.1'], port: nextPort(), signal: AbortSignal.abort() })
    expect(only).to.deep.include({ heard: false, error: undefined })
  })
})
