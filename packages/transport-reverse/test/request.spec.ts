import { expect } from 'chai'
import fc from 'fast-check'
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest } from '../dist/request.js'

const endpoint = fc.record({
  address: fc.oneof(
    fc.ipV4(),
    fc.ipV6().map((text) => text.toLowerCase())
  ),
  port: fc.integer({ min: 1, max: 65535 })
})
const token = Buffer.alloc(16, 7).toString('base64url')
const good = ['1.2.3.4', 4984]
const codeOf = (body: Record<string, unknown>): string | undefined => {
  try {
    decodeRequest(body)
    return undefined
  } catch (error) {
    return (error as { code?: string }).code
  }
}

describe('the request for a reverse connection', () => {
  it('is read as it was written, over the wire', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        fc.uniqueArray(endpoint, { minLength: 1, maxLength: 8, selector: ({ address, port }) => `${address} ${port}` }),
        (bytes, endpoints) => {
          const read = decodeRequest(JSON.parse(JSON.stringify(encodeRequest({ token: bytes, endpoints }))) as Record<string, unknown>)
          expect(Buffer.from(read.token).equals(bytes)).to.equal(true)
          expect(read.endpoints).to.deep.equal(endpoints)
        }
      )
    )
  })

  it('names every address once', () => {
    const { endpoints } = decodeRequest({ token, addresses: [good, good, ['FD00::1', 1], ['fd00::1', 1]] })
    expect(endpoints).to.deep.equal([
      { address: '1.2.3.4', port: 4984 },
      { address: 'fd00::1', port: 1 }
    ])
  })

  const malformed: Array<Record<string, unknown>> = [
    {},
    { token },
    { addresses: [good] },
    { token: 7, addresses: [good] },
    { token: '', addresses: [good] },
    { token: `${token}A`, addresses: [good] },
    { token: token.slice(1), addresses: [good] },
    { token: `${token.slice(0, 21)}=`, addresses: [good] },
    { token: `${token.slice(0, 21)}x`, addresses: [good] },
    { token: `${token.slice(0, 21)}\n`, addresses: [good] },
    { token, addresses: [] },
    { token, addresses: 'all' },
    { token, addresses: { length: 1, 0: good } },
    { token, addresses: Array.from({ length: 9 }, () => good) },
    { token, addresses: [good, null] },
    { token, addresses: [['1.2.3.4']] },
    { token, addresses: [['1.2.3.4', 4984, 1]] },
    { token, addresses: [['1.2.3.4', '4984']] },
    { token, addresses: [['1.2.3.4', 0]] },
    { token, addresses: [['1.2.3.4', 65536]] },
    { token, addresses: [['1.2.3.4', 1.5]] },
    { token, addresses: [['localhost', 4984]] },
    { token, addresses: [['example.com', 4984]] },
    { token, addresses: [['127.1', 4984]] },
    { token, addresses: [['fe80::1%eth0', 4984]] },
    { token, addresses: [['[::1]', 4984]] },
    { token, addresses: [[['1.2.3.4'], 4984]] },
    { token, addresses: [['1'.repeat(10_000), 4984]] }
  ]
  for (const body of malformed)
    it(`${JSON.stringify(body).slice(0, 80)} is refused`, () => {
      expect(codeOf(body)).to.equal('ERR_REVERSE_REQUEST')
    })

  it('is refused with its code whatever the JSON is', () => {
    fc.assert(
      fc.property(fc.record({ token: fc.oneof(fc.constant(token), fc.jsonValue()), addresses: fc.jsonValue() }), (body) => {
        expect(codeOf(body)).to.be.oneOf([undefined, 'ERR_REVERSE_REQUEST'])
      })
    )
  })

  it('is answered with the address that worked', () => {
    expect(decodeAnswer(encodeAnswer({ address: '1.2.3.4', port: 9 }))).to.deep.equal({ address: '1.2.3.4', port: 9 })
    for (const connected of [undefined, null, 'x', [], ['x', 1], ['1.2.3.4', 0], { 0: '1.2.3.4' }])
      expect(decodeAnswer({ connected })).to.equal(undefined)
  })
})
