import { systemClock, type Clock } from '@kithmesh/core'
import { checkMulticast } from '@kithmesh/provider-dnssd'
import { manualClock, rejection } from '@kithmesh/testkit'
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

  it('listens as long as it is told, or a second and a half', async () => {
    for (const [options, expected] of [
      [{ timeoutMs: 700 }, 700],
      [{}, 1_500]
    ] as const) {
      let listened = 0
      // Time passes before anything can be heard.
      const clock: Clock = {
        ...systemClock,
        sleep: async (ms) => {
          listened += ms
        }
      }
      const [only] = await checkMulticast({ interfaces: ['127.0.0.1'], port: nextPort(), clock, ...options })
      expect(only).to.deep.include({ heard: false, error: undefined })
      expect(listened).to.equal(expected)
    }
    for (const timeoutMs of [NaN, 0, -1])
      expect(await rejection(checkMulticast({ interfaces: ['127.0.0.1'], timeoutMs })), `${timeoutMs}`).to.be.instanceOf(TypeError)
  })

  it('ends unheard when it is aborted', async () => {
    const [only] = await checkMulticast({ interfaces: ['127.0.0.1'], port: nextPort(), signal: AbortSignal.abort() })
    expect(only).to.deep.include({ heard: false, error: undefined })
  })
})
