import { SocketAddress } from 'node:net'
import { expect } from 'chai'
import fc from 'fast-check'
import {
  decodeMessage,
  encodeMessage,
  isChannelData,
  longTermKey,
  newTransactionId,
  shortTermKey,
  userhash,
  verifyIntegrity,
  type IntegrityKey,
  type StunAttributes,
  type StunMessage
} from '@kithmesh/stun'
import { errorCode, isKithmeshError } from '@kithmesh/core'

const bytes = (hex: string): Buffer => Buffer.from(hex.replace(/\s+/g, ''), 'hex')

/** The message with another length, CRCs and all left as they are. */
function patched(message: Buffer, at: number, value: number[]): Buffer {
  const copy = Buffer.from(message)
  copy.set(value, at)
  return copy
}

function reasonOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isKithmeshError(error, 'ERR_STUN_MALFORMED')) return String(error.details['reason'])
    throw error
  }
  throw new Error('nothing was thrown')
}

// The samples of RFC 5769, and of RFC 8489 appendix B.
const sampleRequest = bytes(`
  00010058 2112a442 b7e7a701bc34d686fa87dfae
  80220010 5354554e207465737420636c69656e74
  00240004 6e0001ff 80290008 932ff9b151263b36
  00060009 6576746a3a683676 59202020
  00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
  80280004 e57a3bcf`)
const sampleIPv4 = bytes(`
  0101003c 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200008 0001a147e112a643
  00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7
  80280004 c07d4c96`)
const sampleIPv6 = bytes(`
  01010048 2112a442 b7e7a701bc34d686fa87dfae
  8022000b 7465737420766563746f7220
  00200014 0002a147 0113a9faa5d3f179bc25f4b5bed2b9d9
  00080014 a382954e4be67bf11784c97c8292c275bfe3ed41
  80280004 c8fb0b4c`)
const sampleLongTerm = bytes(`
  00010060 2112a442 78ad3433c6ad72c029da412e
  00060012 e3839ee38388e383aae38383e382afe382b90000
  0015001c 662f2f3439396b3935346436 4f4c33346f4c394653547679363473 41
  0014000b 6578616d706c652e6f726700
  00080014 f67024656dd64a3e02b8e0712e85c9a28ca89666`)

describe('STUN messages', () => {
  describe('the samples of RFC 5769', () => {
    const key: IntegrityKey = { algorithm: 'sha1', key: shortTermKey('VOkJxbRl1RmTxUk/WvJxBt') }

    it('reads the request', () => {
      const message = decodeMessage(sampleRequest)
      expect(message).to.include({ method: 'binding', messageClass: 'request', fingerprint: true, legacy: false })
      expect(message.attributes).to.deep.equal({ software: 'STUN test client', username: 'evtj:h6vY' })
      expect(message.unknownRequired).to.deep.equal([0x24])
      expect(verifyIntegrity(message, key)).to.equal(true)
      expect(verifyIntegrity(message, { algorithm: 'sha1', key: shortTermKey('other') })).to.equal(false)
      expect(verifyIntegrity(message, { algorithm: 'sha256', key: key.key })).to.equal(false)
    })

    it('reads and writes the IPv4 response', () => {
      const message = decodeMessage(sampleIPv4)
      expect(message.attributes).to.deep.equal({ software: 'test vector', xorMappedAddress: { address: '192.0.2.1', port: 32853 } })
      expect(message.messageClass).to.equal('success')
      expect(verifyIntegrity(message, key)).to.equal(true)
      const again = decodeMessage(encodeMessage(message, { integrity: key, fingerprint: true }))
      expect(again.attributes).to.deep.equal(message.attributes)
      expect(verifyIntegrity(again, key)).to.equal(true)
    })

    it('reads the IPv6 response', () => {
      const message = decodeMessage(sampleIPv6)
      expect(message.attributes.xorMappedAddress).to.deep.equal({ address: '2001:db8:1234:5678:11:2233:4455:6677', port: 32853 })
      expect(verifyIntegrity(message, key)).to.equal(true)
    })

    it('reads the request with long-term credentials, and writes it to the byte', () => {
      const message = decodeMessage(sampleLongTerm)
      const { username, realm, nonce } = message.attributes
      expect({ username, realm, nonce }).to.deep.equal({
        username: 'マトリックス',
        realm: 'example.org',
        nonce: 'f//499k954d6OL34oL9FSTvy64sA'
      })
      const integrity: IntegrityKey = { algorithm: 'sha1', key: longTermKey('マトリックス', 'example.org', 'TheMatrIX') }
      expect(verifyIntegrity(message, integrity)).to.equal(true)
      expect(encodeMessage(message, { integrity })).to.deep.equal(sampleLongTerm)
    })

    it('knows the user hash of RFC 8489', () => {
      expect(userhash('マトリックス', 'example.org').toString('hex')).to.equal(
        '4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704'
      )
    })
  })

  describe('strictness', () => {
    it('refuses wrong frames, each with its reason', () => {
      const good = encodeMessage({
        method: 'binding',
        messageClass: 'request',
        transactionId: newTransactionId(),
        attributes: { realm: 'abcd' }
      })
      expect(decodeMessage(good).attributes.realm).to.equal('abcd')
      expect(reasonOf(() => decodeMessage(good.subarray(0, 19)))).to.include('19 bytes')
      expect(reasonOf(() => decodeMessage(patched(good, 0, [0x40])))).to.include('first two bits')
      expect(reasonOf(() => decodeMessage(patched(good, 3, [7])))).to.include('multiple of 4')
      expect(reasonOf(() => decodeMessage(patched(good, 3, [4])))).to.include('length')
      expect(reasonOf(() => decodeMessage(Buffer.concat([good, Buffer.alloc(4)])))).to.include('length')
      expect(reasonOf(() => decodeMessage(patched(good, 4, [0])))).to.include('cookie')
      expect(reasonOf(() => decodeMessage(patched(good, 1, [2])))).to.include('method')
      expect(reasonOf(() => decodeMessage(patched(good, 23, [5])))).to.include('beyond the end')
      expect(reasonOf(() => decodeMessage(patched(sampleIPv4, 30, [0])))).to.include('fingerprint')
    })

    it('refuses values of the wrong shape', () => {
      const withValue = (type: number, value: Buffer): Buffer => {
        const head = encodeMessage({ method: 'binding', messageClass: 'success', transactionId: newTransactionId(), attributes: {} })
        const start = Buffer.alloc(4)
        start.writeUInt16BE(type)
        start.writeUInt16BE(value.length, 2)
        const whole = Buffer.concat([head, start, value, Buffer.alloc(-value.length & 3)])
        whole.writeUInt16BE(whole.length - 20, 2)
        return whole
      }
      for (const [type, value] of [
        [0x0020, '0001000001020304ff'],
        [0x0020, '000100000102'],
        [0x0020, '0003000001020304'],
        [0x0001, ''],
        [0x0009, '00000200'],
        [0x0009, '00000464'],
        [0x0009, '0000'],
        [0x000a, '000000'],
        [0x000d, '0000'],
        [0x0006, 'ff'],
        [0x0006, '61'.repeat(509)],
        [0x0018, ''],
        [0x001a, '00'],
        [0x001d, '0001000000020000'],
        [0x001d, '00010008'],
        [0x001e, '00'],
        [0x0022, '00'],
        [0x0008, '00'],
        [0x001c, '00'.repeat(12)],
        [0x8028, '00000000']
      ] as const)
        expect(
          errorIn(() => decodeMessage(withValue(type, Buffer.from(value, 'hex')))),
          `${type.toString(16)} ${value}`
        ).to.equal('ERR_STUN_MALFORMED')
    })

    it('takes the first of duplicates, and the list of peer addresses whole', () => {
      const transactionId = newTransactionId()
      const one = encodeMessage({ method: 'binding', messageClass: 'request', transactionId, attributes: { realm: 'one!' } })
      const two = encodeMessage({ method: 'binding', messageClass: 'request', transactionId, attributes: { realm: 'two!' } })
      const both = Buffer.concat([one, two.subarray(20)])
      both.writeUInt16BE(both.length - 20, 2)
      expect(decodeMessage(both).attributes).to.deep.equal({ realm: 'one!' })
      const peers = [
        { address: '192.0.2.1', port: 1 },
        { address: '192.0.2.2', port: 2 }
      ]
      const permission: StunMessage = {
        method: 'createPermission',
        messageClass: 'request',
        transactionId,
        attributes: { xorPeerAddress: peers }
      }
      expect(decodeMessage(encodeMessage(permission)).attributes.xorPeerAddress).to.deep.equal(peers)
    })

    it('ignores what comes after the integrity, and nothing may follow the fingerprint', () => {
      const integrity: IntegrityKey = { algorithm: 'sha1', key: shortTermKey('secret') }
      const transactionId = newTransactionId()
      const signed = encodeMessage(
        { method: 'binding', messageClass: 'success', transactionId, attributes: { realm: 'mine' } },
        { integrity }
      )
      const added = encodeMessage({ method: 'binding', messageClass: 'success', transactionId, attributes: { software: 'evil' } }).subarray(
        20
      )
      const both = Buffer.concat([signed, added])
      both.writeUInt16BE(both.length - 20, 2)
      const message = decodeMessage(both)
      expect(message.attributes).to.deep.equal({ realm: 'mine' })
      expect(verifyIntegrity(message, integrity)).to.equal(true)
      const printed = encodeMessage({ method: 'binding', messageClass: 'success', transactionId, attributes: {} }, { fingerprint: true })
      const after = Buffer.concat([printed, added])
      after.writeUInt16BE(after.length - 20, 2)
      expect(errorIn(() => decodeMessage(after))).to.equal('ERR_STUN_MALFORMED')
    })

    it('lists unknown attributes that must be understood, each once and at most 32', () => {
      const head = encodeMessage({ method: 'binding', messageClass: 'request', transactionId: newTransactionId(), attributes: {} })
      const attributes = Array.from({ length: 100 }, (_, index) => Buffer.from([0x70, index >> 1, 0, 0]))
      const whole = Buffer.concat([head, ...attributes, Buffer.from([0xff, 0, 0, 0])])
      whole.writeUInt16BE(whole.length - 20, 2)
      const { unknownRequired } = decodeMessage(whole)
      expect(unknownRequired).to.have.length(32)
      expect(new Set(unknownRequired).size).to.equal(32)
      expect(unknownRequired.every((type) => type >> 8 === 0x70)).to.equal(true)
    })

    it('takes messages without cookie only when told', () => {
      const request: StunMessage = {
        method: 'binding',
        messageClass: 'request',
        transactionId: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
        attributes: { changeRequest: { ip: true, port: true } }
      }
      const message = encodeMessage(request)
      expect(message.toString('hex')).to.equal('0001000800112233445566778899aabbccddeeff' + '0003000400000006')
      expect(reasonOf(() => decodeMessage(message))).to.include('cookie')
      const read = decodeMessage(message, { legacy: true })
      expect(read.legacy).to.equal(true)
      expect(read.attributes).to.deep.equal({ changeRequest: { ip: true, port: true } })
      expect(Buffer.from(read.transactionId).toString('hex')).to.equal('00112233445566778899aabbccddeeff')
    })

    it('cleans texts of servers that end up in a terminal', () => {
      const message: StunMessage = {
        method: 'binding',
        messageClass: 'error',
        transactionId: newTransactionId(),
        attributes: { errorCode: { code: 400, reason: '\u001b[31mBad\r\n' }, software: 'x\u0007y' }
      }
      expect(decodeMessage(encodeMessage(message)).attributes).to.deep.equal({
        errorCode: { code: 400, reason: '[31mBad' },
        software: 'xy'
      })
    })
  })

  it('cuts SHA-256 integrity to 16 bytes at least', () => {
    const integrity: IntegrityKey = { algorithm: 'sha256', key: longTermKey('user', 'realm', 'password', 'sha256') }
    const message = encodeMessage(
      { method: 'refresh', messageClass: 'request', transactionId: newTransactionId(), attributes: {} },
      { integrity }
    )
    expect(verifyIntegrity(decodeMessage(message), integrity)).to.equal(true)
    expect(verifyIntegrity(decodeMessage(patched(message, 30, [message[30]! ^ 1])), integrity)).to.equal(false)
  })

  describe('any message', () => {
    const port = fc.integer({ min: 0, max: 65_535 })
    const address = fc.record({ address: fc.oneof(fc.ipV4(), fc.ipV6().map(canonical)), port })
    const text = fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).map((value) => value.trimEnd())
    const binary = fc.uint8Array({ maxLength: 60 }).map((value) => Buffer.from(value))
    const algorithm = fc.record({ algorithm: port, parameters: binary })
    const error = fc.record({ code: fc.integer({ min: 300, max: 699 }), reason: text })
    const family = fc.constantFrom<4 | 6>(4, 6)
    const values: { readonly [Name in keyof StunAttributes]-?: fc.Arbitrary<NonNullable<StunAttributes[Name]>> } = {
      mappedAddress: address,
      xorMappedAddress: address,
      username: text,
      userhash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => Buffer.from(value)),
      realm: text,
      nonce: text,
      errorCode: error,
      unknownAttributes: fc.array(port, { maxLength: 8 }),
      passwordAlgorithms: fc.array(algorithm, { maxLength: 3 }),
      passwordAlgorithm: algorithm,
      software: text,
      alternateServer: address,
      alternateDomain: text,
      changeRequest: fc.record({ ip: fc.boolean(), port: fc.boolean() }),
      responseOrigin: address,
      otherAddress: address,
      responsePort: port,
      padding: binary,
      cacheTimeout: fc.nat(),
      changedAddress: address,
      sourceAddress: address,
      reflectedFrom: address,
      lifetime: fc.nat(),
      xorPeerAddress: fc.array(address, { minLength: 1, maxLength: 3 }),
      xorRelayedAddress: address,
      requestedTransport: fc.constantFrom(6, 17),
      requestedAddressFamily: family,
      additionalAddressFamily: family,
      addressErrorCode: fc.record({ family, code: fc.integer({ min: 300, max: 699 }), reason: text }),
      data: binary,
      channelNumber: port,
      evenPort: fc.record({ reserveNext: fc.boolean() }),
      dontFragment: fc.constant(true as const),
      reservationToken: fc.uint8Array({ minLength: 8, maxLength: 8 }).map((value) => Buffer.from(value)),
      icmp: fc.record({ type: fc.integer({ min: 0, max: 127 }), code: fc.integer({ min: 0, max: 511 }), data: fc.nat() }),
      connectionId: fc.nat()
    }
    const attributes = fc.record(values, { requiredKeys: [] }) as fc.Arbitrary<StunAttributes>
    const signing = fc.option(
      fc.record({ algorithm: fc.constantFrom<'sha1' | 'sha256'>('sha1', 'sha256'), key: fc.uint8Array({ minLength: 1, maxLength: 32 }) }),
      { nil: undefined }
    )
    const message = fc.record({
      method: fc.constantFrom<StunMessage['method']>(
        ...(['binding', 'allocate', 'refresh', 'send', 'data', 'createPermission'] as const),
        ...(['channelBind', 'connect', 'connectionBind', 'connectionAttempt'] as const)
      ),
      messageClass: fc.constantFrom<StunMessage['messageClass']>('request', 'indication', 'success', 'error'),
      transactionId: fc.uint8Array({ minLength: 12, maxLength: 12 }).map((value) => Buffer.from(value)),
      attributes
    })

    it('is read as it was written', () => {
      fc.assert(
        fc.property(message, signing, fc.boolean(), (sent, integrity, fingerprint) => {
          const received = decodeMessage(encodeMessage(sent, { integrity, fingerprint }))
          const { method, messageClass, transactionId, attributes } = received
          expect({ method, messageClass, transactionId, attributes }).to.deep.equal(sent)
          expect(received.fingerprint).to.equal(fingerprint)
          expect(received.unknownRequired).to.deep.equal([])
          if (integrity !== undefined) expect(verifyIntegrity(received, integrity)).to.equal(true)
        }),
        { numRuns: 300 }
      )
    })

    it('with bytes changed, cut or added is read or refused with ERR_STUN_MALFORMED, and nothing outside it is read', () => {
      const edit = fc.record({ at: fc.nat({ max: 400 }), value: fc.integer({ min: 0, max: 255 }) })
      fc.assert(
        fc.property(
          message,
          signing,
          fc.array(edit, { maxLength: 6 }),
          fc.integer({ min: -9, max: 9 }),
          fc.boolean(),
          (sent, integrity, edits, grow, legacy) => {
            const bytes = encodeMessage(sent, { integrity, fingerprint: false })
            const room = Buffer.alloc(bytes.length + 40, 0xee)
            bytes.copy(room, 16)
            for (const { at, value } of edits) room[16 + (at % bytes.length)] = value
            const view = room.subarray(16, 16 + Math.max(0, bytes.length + grow))
            const first = outcome(() => decodeMessage(view, { legacy }))
            // The same bytes with other surroundings mean the same.
            const alone = Buffer.from(view)
            expect(outcome(() => decodeMessage(alone, { legacy }))).to.deep.equal(first)
          }
        ),
        { numRuns: 1000 }
      )
    })

    it('of random bytes with a right header is read or refused with ERR_STUN_MALFORMED', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
          const frame = Buffer.alloc(20 + (body.length & ~3))
          frame.writeUInt16BE(0x0101)
          frame.writeUInt16BE(frame.length - 20, 2)
          frame.writeUInt32BE(0x2112a442, 4)
          frame.set(body.subarray(0, frame.length - 20), 20)
          outcome(() => decodeMessage(frame))
          expect(isChannelData(frame)).to.equal(false)
        }),
        { numRuns: 1000 }
      )
    })
  })

  it('cannot be written with values that make no sense', () => {
    const write = (attributes: object) => () =>
      encodeMessage({
        method: 'binding',
        messageClass: 'request',
        transactionId: newTransactionId(),
        attributes: attributes as StunAttributes
      })
    expect(write({ username: 'x'.repeat(509) })).to.throw(TypeError)
    expect(write({ xorMappedAddress: { address: 'localhost', port: 1 } })).to.throw(TypeError)
    expect(write({ reservationToken: Buffer.alloc(7) })).to.throw(TypeError)
    expect(write({ errorCode: { code: 200, reason: '' } })).to.throw(TypeError)
    expect(write({ nothing: 1 })).to.throw(TypeError)
    expect(write({ data: Buffer.alloc(65_535), padding: Buffer.alloc(100) })).to.throw(TypeError)
  })
})

function errorIn(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    return errorCode(error)
  }
  return undefined
}

/** What came out, in a form that can be compared; any other error than the typed one fails the test. */
function outcome(run: () => unknown): unknown {
  try {
    return run()
  } catch (error) {
    if (isKithmeshError(error, 'ERR_STUN_MALFORMED')) return error.message
    throw error
  }
}

/** As the operating system writes it. */
function canonical(address: string): string {
  const plain = new SocketAddress({ family: 'ipv6', address }).address
  return plain.startsWith('::ffff:') && plain.includes('.') ? '::1' : plain
}
