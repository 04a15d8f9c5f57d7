import { createHash } from 'node:crypto'
import { p256 } from '@noble/curves/nist.js'
import { expect } from 'chai'
import { Spake2, randomScalar, scalarOf } from '../../dist/trust/spake2.js'

/** RFC 9382 appendix B. */
const vectors = [
  {
    a: 'server',
    b: 'client',
    w: '2ee57912099d31560b3a44b1184b9b4866e904c49d12ac5042c97dca461b1a5f',
    x: '43dd0fd7215bdcb482879fca3220c6a968e66d70b1356cac18bb26c84a78d729',
    pA: '04a56fa807caaa53a4d28dbb9853b9815c61a411118a6fe516a8798434751470f9010153ac33d0d5f2047ffdb1a3e42c9b4e6be662766e1eeb4116988ede5f912c',
    y: 'dcb60106f276b02606d8ef0a328c02e4b629f84f89786af5befb0bc75b6e66be',
    pB: '0406557e482bd03097ad0cbaa5df82115460d951e3451962f1eaf4367a420676d09857ccbc522686c83d1852abfa8ed6e4a1155cf8f1543ceca528afb591a1e0b7',
    key: '0e0672dc86f8e45565d338b0540abe69',
    ofA: '58ad4aa88e0b60d5061eb6b5dd93e80d9c4f00d127c65b3b35b1b5281fee38f0',
    ofB: 'd3e2e547f1ae04f2dbdbf0fc4b79f8ecff2dff314b5d32fe9fcef2fb26dc459b'
  },
  {
    a: '',
    b: 'client',
    w: '0548d8729f730589e579b0475a582c1608138ddf7054b73b5381c7e883e2efae',
    x: '403abbe3b1b4b9ba17e3032849759d723939a27a27b9d921c500edde18ed654b',
    pA: '04a897b769e681c62ac1c2357319a3d363f610839c4477720d24cbe32f5fd85f44fb92ba966578c1b712be6962498834078262caa5b441ecfa9d4a9485720e918a',
    y: '903023b6598908936ea7c929bd761af6039577a9c3f9581064187c3049d87065',
    pB: '04e0f816fd1c35e22065d5556215c097e799390d16661c386e0ecc84593974a61b881a8c82327687d0501862970c64565560cb5671f696048050ca66ca5f8cc7fc',
    key: '642f05c473c2cd79909f9a841e2f30a7',
    ofA: '47d29e6666af1b7dd450d571233085d7a9866e4d49d2645e2df975489521232b',
    ofB: '3313c5cefc361d27fb16847a91c2a73b766ffa90a4839122a9b70a2f6bd1d6df'
  },
  {
    a: 'server',
    b: '',
    w: '626e0cdc7b14c9db3e52a0b1b3a768c98e37852d5db30febe0497b14eae8c254',
    x: '07adb3db6bc623d3399726bfdbfd3d15a58ea776ab8a308b00392621291f9633',
    pA: '04f88fb71c99bfffaea370966b7eb99cd4be0ff1a7d335caac4211c4afd855e2e15a873b298503ad8ba1d9cbb9a392d2ba309b48bfd7879aefd0f2cea6009763b0',
    y: 'b6a4fc8dbb629d4ba51d6f91ed1532cf87adec98f25dd153a75accafafedec16',
    pB: '040c269d6be017dccb15182ac6bfcd9e2a14de019dd587eaf4bdfd353f031101e7cca177f8eb362a6e83e7d5e729c0732e1b528879c086f39ba0f31a9661bd34db',
    key: '005184ff460da2ce59062c87733c299c',
    ofA: 'bc9f9bbe99f26d0b2260e6456e05a86196a3307ec6663a18bf6ac825736533b2',
    ofB: 'c2370e1bf813b086dff0d834e74425a06e6390f48f5411900276dcccc5a297ec'
  },
  {
    a: '',
    b: '',
    w: '7bf46c454b4c1b25799527d896508afd5fc62ef4ec59db1efb49113063d70cca',
    x: '8cef65df64bb2d0f83540c53632de911b5b24b3eab6cc74a97609fd659e95473',
    pA: '04a65b367a3f613cf9f0654b1b28a1e3a8a40387956c8ba6063e8658563890f46ca1ef6a676598889fc28de2950ab8120b79a5ef1ea4c9f44bc98f585634b46d66',
    y: 'd7a66f64074a84652d8d623a92e20c9675c61cb5b4f6a0063e4648a2fdc02d53',
    pB: '04589f13218822710d98d8b2123a079041052d9941b9cf88c6617ddb2fcc0494662eea8ba6b64692dc318250030c6af045cb738bc81ba35b043c3dcb46adf6f58d',
    key: 'fc6374762ba5cf11f4b2caa08b2cd1b9',
    ofA: 'dfb4db8d48ae5a675963ea5e6c19d98d4ea028d8e898dad96ea19a80ade95dca',
    ofB: 'd0f0609d1613138d354f7e95f19fb556bf52d751947241e8c7118df5ef0ae175'
  }
] as const

const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex')
const number = (text: string): bigint => BigInt(`0x${text}`)
const nobody = { a: new Uint8Array(), b: new Uint8Array() }

describe('SPAKE2', () => {
  for (const { a, b, w, x, y, pA, pB, key, ofA, ofB } of vectors)
    it(`does as RFC 9382 says for A='${a}', B='${b}'`, () => {
      const settings = { w: number(w), identities: { a: Buffer.from(a), b: Buffer.from(b) }, aad: new Uint8Array() }
      const one = new Spake2('A', settings, number(x))
      const other = new Spake2('B', settings, number(y))
      expect([hex(one.share), hex(other.share)]).to.deep.equal([pA, pB])
      const ofOne = one.finish(other.share)
      const ofOther = other.finish(one.share)
      expect([hex(ofOne?.key), hex(ofOther?.key)]).to.deep.equal([key, key])
      expect([hex(ofOne?.confirmation), hex(ofOne?.expected)]).to.deep.equal([ofA, ofB])
      expect([hex(ofOther?.confirmation), hex(ofOther?.expected)]).to.deep.equal([ofB, ofA])
    })

  it('has the points M and N that come of their texts (RFC 9382 §6)', () => {
    const pointFor = (name: string): string => {
      let hash = Buffer.from(`1.2.840.10045.3.1.7 point generation seed (${name})`)
      const next = (): Buffer => (hash = createHash('sha256').update(hash).digest())
      for (let block = next(); ; ) {
        const following = next()
        const text = Buffer.concat([Buffer.of((block[0]! & 1) | 2), Buffer.concat([block, following]).subarray(1, 33)])
        try {
          p256.Point.fromBytes(text).assertValidity()
          return hex(text)
        } catch {
          block = following
        }
      }
    }
    // With w = 1 and the secret 1 a share is the base point plus M, or N.
    const settings = { w: 1n, identities: nobody, aad: new Uint8Array() }
    for (const [side, name] of [
      ['A', 'M'],
      ['B', 'N']
    ] as const)
      expect(
        hex(
          p256.Point.fromBytes(new Spake2(side, settings, 1n).share)
            .subtract(p256.Point.BASE)
            .toBytes(true)
        )
      ).to.equal(pointFor(name))
  })

  it('gives other confirmations for another password, identity or connection', () => {
    const base = { w: 5n, identities: { a: Buffer.from('a'), b: Buffer.from('b') }, aad: Buffer.from('x') }
    const alike = (ofA: typeof base, ofB: typeof base): boolean => {
      const one = new Spake2('A', ofA, randomScalar())
      const other = new Spake2('B', ofB, randomScalar())
      const result = one.finish(other.share)
      return hex(result?.expected) === hex(other.finish(one.share)?.confirmation)
    }
    expect(alike(base, base)).to.equal(true)
    expect(alike(base, { ...base, w: 6n })).to.equal(false)
    expect(alike(base, { ...base, aad: Buffer.from('y') })).to.equal(false)
    expect(alike(base, { ...base, identities: { a: Buffer.from('b'), b: Buffer.from('a') } })).to.equal(false)
    expect(alike(base, { ...base, identities: { a: Buffer.from('ab'), b: Buffer.alloc(0) } })).to.equal(false)
  })

  it('takes nothing for a share but a point of the curve that gives a secret', () => {
    const side = new Spake2('A', { w: 5n, identities: nobody, aad: new Uint8Array() }, randomScalar())
    const good = new Spake2('B', { w: 5n, identities: nobody, aad: new Uint8Array() }, randomScalar()).share
    expect(side.finish(good)).not.to.equal(undefined)
    const off = Buffer.from(good)
    off[64] = off[64]! ^ 1
    const compressed = p256.Point.fromBytes(good).toBytes(true)
    const outside = Buffer.concat([Buffer.of(4), Buffer.alloc(64, 0xff)])
    // w·N itself: without the mask nothing remains.
    const masked = p256.Point.fromBytes(new Spake2('B', { w: 5n, identities: nobody, aad: new Uint8Array() }, 1n).share)
      .subtract(p256.Point.BASE)
      .toBytes(false)
    for (const wrong of [
      off,
      compressed,
      outside,
      masked,
      Buffer.alloc(65),
      Buffer.concat([Buffer.of(4), Buffer.alloc(64)]),
      Buffer.of(0),
      good.subarray(1)
    ])
      expect(side.finish(wrong), hex(wrong)).to.equal(undefined)
  })

  it('makes numbers of password hashes, never zero', () => {
    const order = p256.Point.Fn.ORDER
    expect(scalarOf(Buffer.alloc(40))).to.equal(1n)
    expect(scalarOf(Buffer.from((order - 1n).toString(16).padStart(80, '0'), 'hex'))).to.equal(1n)
    expect(scalarOf(Buffer.from((order - 2n).toString(16).padStart(80, '0'), 'hex'))).to.equal(order - 1n)
    expect(() => scalarOf(Buffer.alloc(32))).to.throw(TypeError)
    const some = new Set(Array.from({ length: 20 }, randomScalar))
    expect(some.size).to.equal(20)
    expect([...some].every((value) => value > 0n && value < order)).to.equal(true)
  })
})
