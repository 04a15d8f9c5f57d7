import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { ConnectionCount } from '@kithmesh/core/plugin'
import { expect } from 'chai'

describe('the count of open connections', () => {
  it('has a bound for all, and for those of one address; who has closed makes room', async () => {
    const count = new ConnectionCount(3, 2)
    const add = (address: string): PassThrough | undefined => {
      const connection = new PassThrough()
      return count.add(connection, address) ? connection : undefined
    }
    const first = add('192.0.2.1')
    expect([add('192.0.2.1') !== undefined, add('192.0.2.1'), add('192.0.2.2') !== undefined, add('192.0.2.3')]).to.deep.equal([
      true,
      undefined,
      true,
      undefined
    ])
    first?.destroy()
    await once(first as PassThrough, 'close')
    expect(add('192.0.2.1')).to.be.instanceOf(PassThrough)
  })

  it('takes the addresses of one IPv6 network for one', () => {
    const count = new ConnectionCount(10, 1)
    expect(['2001:db8::1', '2001:db8::2', '2001:db8:0:1::1'].map((address) => count.add(new PassThrough(), address))).to.deep.equal([
      true,
      false,
      true
    ])
  })
})
