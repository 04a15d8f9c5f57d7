import { expect } from 'chai'
import fc from 'fast-check'
import { compareVersions, isVersion, legacyVersion } from '@kithmesh/database/replication'
import { sourceIdOf } from '../dist/vectors/version.js'

describe('versions', () => {
  for (const valid of [
    '1@AliceAliceAliceAliceAA',
    '18e9e0386d1d0000@OS7pN7IRS4Wtr2xhivVgMQ',
    '7fffffffffffffff@AAAAAAAAAAAAAAAAAAAAAQ',
    '2abcd000000@Revision+Tree+Encoding'
  ]) {
    it(`accepts ${valid}`, () => {
      expect(isVersion(valid)).to.equal(true)
    })
  }

  const refused: Readonly<Record<string, string>> = {
    'time 0': '0@AliceAliceAliceAliceAA',
    'leading zeros': '01@AliceAliceAliceAliceAA',
    'upper case': '1A@AliceAliceAliceAliceAA',
    'a time of 64 bits': '8000000000000000@AliceAliceAliceAliceAA',
    'a time of 17 digits': '12345678123456789@AliceAliceAliceAliceAA',
    'the local form': '1@*',
    'the source of zeros, which stands for the local form': '1@AAAAAAAAAAAAAAAAAAAAAA',
    'a source that is too long': '1@AliceAliceAliceAliceAlice',
    'a source that is too short': '1@AliceAliceAliceAlice',
    'a source with bits beyond 16 bytes': '1@AliceAliceAliceAliceAB',
    'characters beyond base64': '1@AliceAlic!AliceAliceAA',
    'blanks around it': ' 1@AliceAliceAliceAliceAA',
    'a line end': '1@AliceAliceAliceAliceAA\n',
    'a revision of a tree': '1-abcd',
    nothing: ''
  }
  for (const [what, text] of Object.entries(refused)) {
    it(`refuses ${what}`, () => {
      expect(isVersion(text)).to.equal(false)
    })
  }

  it('are ordered by time as a number, then by source', () => {
    const time = fc.bigInt({ min: 1n, max: (1n << 63n) - 1n })
    const source = fc.constantFrom('AliceAliceAliceAliceAA', 'BobBobBobBobBobBobBobA')
    fc.assert(
      fc.property(time, source, time, source, (a, as, b, bs) => {
        const [x, y] = [`${a.toString(16)}@${as}`, `${b.toString(16)}@${bs}`]
        expect(isVersion(x)).to.equal(true)
        const expected = a === b ? (as === bs ? 0 : as < bs ? -1 : 1) : a < b ? -1 : 1
        expect(Math.sign(compareVersions(x, y))).to.equal(expected)
        expect(Math.sign(compareVersions(y, x))).to.equal(expected === 0 ? 0 : -expected)
      })
    )
  })

  it('name their database by the bytes of its UUID', () => {
    expect(sourceIdOf('00010203-0405-0607-0809-0a0b0c0d0e0f')).to.equal('AAECAwQFBgcICQoLDA0ODw')
    expect(isVersion(`1@${sourceIdOf(crypto.randomUUID())}`)).to.equal(true)
  })

  for (const [revId, version] of [
    ['2-abcd0000', '2abcd000000@Revision+Tree+Encoding'],
    ['12345-e0c8012361e94df6a1e1c2977169480e', '3039e0c8012361@Revision+Tree+Encoding'],
    ['1-345d1331e65b3d965502c924d70e12337e0ea966', '1345d1331e6@Revision+Tree+Encoding'],
    ['1-00', '10000000000@Revision+Tree+Encoding'],
    ['188-0102030405060708090a0b0c0d0e0f1010121314', 'bc0102030405@Revision+Tree+Encoding']
  ] as const) {
    it(`stand for the revision ${revId} of a tree`, () => {
      expect(legacyVersion(revId)).to.equal(version)
      expect(isVersion(version)).to.equal(true)
    })
  }

  it('do not stand for a generation that does not fit', () => {
    expect(isVersion(legacyVersion(`${0x7f_ffff}-ff`) ?? '')).to.equal(true)
    expect(legacyVersion(`${0x80_0000}-ff`)).to.equal(undefined)
  })
})
