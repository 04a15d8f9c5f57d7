import { expect } from 'chai'
import { coreErrors } from '@kithmesh/core'
import { identityErrors } from '@kithmesh/identity'
import { meshErrors } from '@kithmesh/mesh'
import { DialSlots } from '../dist/engine/dial-slots.js'
import { maxRetryMs, retryDelay } from '../dist/link/retry-delay.js'

describe('the limits of dialling', () => {
  it('lets so many dial at a time, in the order of asking', async () => {
    const slots = new DialSlots(2)
    const { signal } = new AbortController()
    const order: string[] = []
    const [first] = [await slots.take(signal), await slots.take(signal)]
    const waiting = ['a', 'b'].map((name) =>
      slots.take(signal).then((release) => {
        order.push(name)
        return release
      })
    )
    await new Promise((resolve) => setImmediate(resolve))
    expect(order).to.deep.equal([])
    first?.()
    first?.()
    const release = await waiting[0]
    expect(order).to.deep.equal(['a'])
    release?.()
    await waiting[1]
    expect(order).to.deep.equal(['a', 'b'])
  })

  it('lets those leave the line that are stopped meanwhile', async () => {
    const slots = new DialSlots(1)
    const release = await slots.take(new AbortController().signal)
    const controller = new AbortController()
    const leaving = slots.take(controller.signal).then(
      () => 'taken',
      (error: unknown) => (error as Error).message
    )
    const staying = slots.take(new AbortController().signal)
    controller.abort(new Error('stopped'))
    expect(await leaving).to.equal('stopped')
    release()
    await staying
    const refused = await slots.take(controller.signal).catch((error: unknown) => (error as Error).message)
    expect(refused).to.equal('stopped')
  })

  it('tries a device that was not reached sooner than one that refused', () => {
    const unreached = coreErrors.create('ERR_ROUTE_FAILED', 'nobody there')
    expect([1, 2, 3, 10, 1000].map((failures) => retryDelay(unreached, failures))).to.deep.equal([2000, 4000, 8000, maxRetryMs, maxRetryMs])
    const handshake = identityErrors.create('ERR_IDENTITY_HANDSHAKE', 'cut')
    expect(retryDelay(handshake, 1)).to.equal(2000)
    for (const refused of [
      meshErrors.create('ERR_MESH_REFUSED', 'no'),
      identityErrors.create('ERR_IDENTITY_UNTRUSTED', 'no'),
      new Error('anything')
    ]) {
      expect(retryDelay(refused, 1)).to.be.greaterThan(maxRetryMs)
    }
  })
})
