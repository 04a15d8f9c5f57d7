import { expect } from 'chai'
import fc from 'fast-check'
import { decodeTxt, encodeTxt, metadataFromItems, toMetadata, txtItems } from '@kithmesh/core'
import type { Metadata } from '@kithmesh/core'
import { thrown } from './fakes.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const item = (text: string) => Buffer.concat([Buffer.from([text.length]), bytes(text)])
const plain = (metadata: Metadata) => Object.fromEntries([...metadata].map(([key, value]) => [key, Buffer.from(value).toString('latin1')]))

const key = fc.stringMatching(/^[\x20-\x3c\x3e-\x7e]{1,63}$/)
const entries = fc.uniqueArray(fc.tuple(key, fc.uint8Array({ maxLength: 191 })), { selector: ([each]) => each, maxLength: 12 })

describe('TXT metadata', () => {
  it('writes key=value items behind their length', () => {
    expect(encodeTxt(toMetadata({ _DID: 'abc' })).toString('hex')).to.equal('085f4449443d616263')
    expect(encodeTxt(new Map()).toString('hex')).to.equal('00')
    expect(txtItems(toMetadata({ a: '', b: Uint8Array.of(0, 255) })).map((each) => each.toString('hex'))).to.deep.equal([
      '613d',
      '623d00ff'
    ])
  })

  it('reads back what it wrote', () => {
    fc.assert(
      fc.property(entries, (pairs) => {
        const metadata = toMetadata(new Map(pairs))
        expect([...decodeTxt(encodeTxt(metadata))]).to.deep.equal([...metadata])
        expect([...metadataFromItems(txtItems(metadata))]).to.deep.equal([...metadata])
      })
    )
  })

  it('follows RFC 6763 in what it ignores', () => {
    expect(plain(decodeTxt(Buffer.concat(['a=1', '=lost', 'a=2', 'flag', 'b=x=y', 'c='].map(item))))).to.deep.equal({
      a: '1',
      flag: '',
      b: 'x=y',
      c: ''
    })
    expect(plain(decodeTxt(Buffer.from([0])))).to.deep.equal({})
    expect(plain(decodeTxt(Buffer.alloc(0)))).to.deep.equal({})
    expect(plain(decodeTxt(Buffer.from([0, 0, 3, 0x61, 0x3d, 0x31])))).to.deep.equal({ a: '1' })
  })

  it('reads the alternating form too', () => {
    expect(plain(metadataFromItems(['_DID', 'abc', 'name', 'a=b'].map(bytes)))).to.deep.equal({ _DID: 'abc', name: 'a=b' })
    expect(plain(metadataFromItems(['empty', '', 'b', 'x'].map(bytes)))).to.deep.equal({ empty: '', b: 'x' })
    expect(plain(metadataFromItems(['a', 'one', 'a', 'two'].map(bytes)))).to.deep.equal({ a: 'one' })
  })

  it('reads hostile data without throwing, and only what is there', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), (data) => {
        const metadata = decodeTxt(data)
        let size = 0
        for (const [each, value] of metadata) {
          expect(each).to.match(/^[\x20-\x7e]{1,255}$/)
          size += each.length + value.length
        }
        expect(size).to.be.at.most(data.length)
      })
    )
    expect(plain(decodeTxt(Buffer.concat([item('a=1'), Buffer.from([200, 0x62, 0x3d])])))).to.deep.equal({ a: '1' })
    expect(plain(decodeTxt(Buffer.concat(['k\u0000=1', '\xff=2', 'ok=3'].map(item))))).to.deep.equal({ ok: '3' })
    expect(plain(decodeTxt(item('__proto__=x')))).to.have.property('__proto__')
  })

  it('copies what it is given and what it reads', () => {
    const value = Uint8Array.of(1)
    const metadata = toMetadata({ a: value })
    value[0] = 2
    expect(metadata.get('a')).to.deep.equal(Uint8Array.of(1))
    const data = item('a=1')
    const read = decodeTxt(data)
    data.fill(0)
    expect(plain(read)).to.deep.equal({ a: '1' })
  })

  it('refuses what cannot be written', () => {
    for (const wrong of [
      { '': 'x' },
      { 'a=b': 'x' },
      { é: 'x' },
      { ['k'.repeat(64)]: 'x' },
      { a: 'x'.repeat(254) },
      { a: 'ü'.repeat(127) }
    ]) {
      expect(thrown(() => toMetadata(wrong)).code).to.equal('ERR_PD_METADATA')
    }
    expect(toMetadata({ a: 'x'.repeat(253) }).get('a')?.length).to.equal(253)
    expect(thrown(() => encodeTxt(new Map([['a', new Uint8Array(300)]]))).code).to.equal('ERR_PD_METADATA')
  })
})
