import { expect } from 'chai'
import fc from 'fast-check'
import { blobsIn, checkBody } from '@kithmesh/database/replication'
import { findJsonError } from '../dist/json-error.js'
import { thrownBy } from './temporary.ts'

const bytes = (text: string): Buffer => Buffer.from(text)
const asText = (body: Uint8Array): string => Buffer.from(body).toString()

describe('bodies from outside', () => {
  it('stay the same bytes when nothing is wrong with them', () => {
    const body = bytes('{ "b" : 1.50, "a":[ ] }')
    const checked = checkBody(body)
    expect(checked.body).to.equal(body)
    expect(checked.hasBlobs).to.equal(false)
  })
  it('are refused when they are not a JSON object, with the place of the error', () => {
    for (const text of ['', 'null', '[]', '"x"', '1'])
      expect(thrownBy(() => checkBody(bytes(text))).code, text).to.equal('ERR_DB_MALFORMED_JSON')
    const error = thrownBy(() => checkBody(bytes('{"a":1,"b":oops}')))
    expect(error.code).to.equal('ERR_DB_MALFORMED_JSON')
    expect(error.message).to.include('character 11 of 16')
  })
  it('are refused when they are not UTF-8', () => {
    expect(thrownBy(() => checkBody(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).message).to.include('UTF-8')
  })
  it('are refused above the limit, which is named', () => {
    const error = thrownBy(() => checkBody(bytes('{"a":"0123456789"}'), { maxSize: 10 }))
    expect(error.code).to.equal('ERR_DB_TOO_LARGE')
    expect(error.message).to.include('the limit is 10')
  })
  it('lose reserved top-level keys and keep all else', () => {
    const checked = checkBody(bytes('{"_id":"x","a":{"_b":1},"_rev":"1-ab","z":2}'))
    expect(Buffer.from(checked.body).toString()).to.equal('{"a":{"_b":1},"z":2}')
  })
  it('keep attachments that do not shadow blobs', () => {
    const kept = checkBody(bytes('{"_attachments":{"blob_/pic":{"digest":"sha1-x"},"old.txt":{"digest":"sha1-y","length":3}},"a":1}'))
    expect(JSON.parse(Buffer.from(kept.body).toString())).to.deep.equal({
      _attachments: { 'old.txt': { digest: 'sha1-y', length: 3 } },
      a: 1
    })
    expect(kept.hasBlobs).to.equal(true)
    const dropped = checkBody(bytes('{"_attachments":{"blob_/pic":{"digest":"sha1-x"}},"a":1}'))
    expect(Buffer.from(dropped.body).toString()).to.equal('{"a":1}')
  })
  it('keep the text of all else when they lose reserved keys', () => {
    const cases = {
      '{"_id":"x","big":12345678901234567890,"one":1.0}': '{"big":12345678901234567890,"one":1.0}',
      ' { "a" : [1e2, {"_b":"}"}] ,\n"\\u005frev":"1-ab" } ': '{"a" : [1e2, {"_b":"}"}] }',
      '{"_a":{"x":[",",":"]},"s":"\\\\\\"","_z":0}': '{"s":"\\\\\\""}',
      '{"_only":1}': '{}',
      '{"n":0.10,"_attachments":{"blob_/x":{},"old":{"digest":"sha1-y"}}}': '{"n":0.10,"_attachments":{"old":{"digest":"sha1-y"}}}'
    }
    for (const [given, kept] of Object.entries(cases)) expect(asText(checkBody(bytes(given)).body), given).to.equal(kept)
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        const kept = Object.fromEntries(Object.entries(body).filter(([key]) => !key.startsWith('_')))
        const { body: left } = checkBody(bytes(JSON.stringify({ ...body, _rev: '1-ab' }, undefined, 1)))
        expect(JSON.parse(asText(left))).to.deep.equal(JSON.parse(JSON.stringify(kept)))
      })
    )
  })
  it('tell which reserved keys came', () => {
    expect(checkBody(bytes('{"_id":"x","_removed":true,"a":1}')).reserved).to.deep.equal({ _id: 'x', _removed: true })
    const attachments = { 'old.txt': { digest: 'sha1-y' } }
    const untouched = bytes(JSON.stringify({ _attachments: attachments }))
    expect(checkBody(untouched)).to.deep.include({ body: untouched, reserved: { _attachments: attachments } })
    expect(checkBody(bytes('{"a":{"_b":1}}'))).to.not.have.property('reserved')
  })
  it('follow a shadow whose content was changed', () => {
    const blob = { '@type': 'blob', digest: 'sha1-old', length: 1, content_type: 'text/plain', caption: 'mine' }
    const body = {
      'a/b': [{ '~': blob }],
      same: { '@type': 'blob', digest: 'sha1-same', length: 9 },
      _attachments: {
        'blob_/a~1b/0/~0': { digest: 'sha1-new', length: 2, stub: true },
        'blob_/same': { digest: 'sha1-same', length: 10 },
        'blob_/gone': { digest: 'sha1-x' },
        'blob_/__proto__/x': { digest: 'sha1-x' },
        blob_0: { digest: 'sha1-x' }
      }
    }
    expect(JSON.parse(Buffer.from(checkBody(bytes(JSON.stringify(body))).body).toString())).to.deep.equal({
      'a/b': [{ '~': { '@type': 'blob', digest: 'sha1-new', length: 2, caption: 'mine' } }],
      same: { '@type': 'blob', digest: 'sha1-same', length: 9 }
    })
  })
  it('tell where blobs are, however deep and however written', () => {
    const value = {
      list: [{ deep: { '@type': 'blob', digest: 'sha1-A', length: 5, content_type: 'image/png' } }],
      again: { '@type': 'blob', digest: 'sha1-A' },
      other: { '@type': 'blob', digest: 'sha1-B', length: -1 }
    }
    expect(blobsIn(value)).to.deep.equal([
      { digest: 'sha1-A', length: 5, contentType: 'image/png' },
      { digest: 'sha1-B', length: undefined, contentType: undefined }
    ])
    expect(checkBody(bytes(JSON.stringify(value))).hasBlobs).to.equal(true)
    expect(checkBody(bytes('{"p":{"\\u0040type":"blob","digest":"sha1-A"}}')).hasBlobs).to.equal(true)
    expect(checkBody(bytes('{"note":"an \\"@type\\" of \\"blob\\"","x":{"@type":"blob"}}')).hasBlobs).to.equal(false)
  })
  it('may be as wide and as deep as JSON.parse takes them', () => {
    expect(checkBody(bytes(`{"@type":"x","a":[${'1,'.repeat(300_000)}"blob"]}`)).hasBlobs).to.equal(false)
    expect(checkBody(bytes(`{"@type":"x","b":"blob","a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)).hasBlobs).to.equal(false)
  })
})

describe('the place of a JSON error', () => {
  it('is found in examples', () => {
    const places: [string, number][] = [
      ['{', 1],
      ['{]', 1],
      ['{"a"}', 4],
      ['{"a":1,}', 7],
      ['[1,]', 3],
      ['{"a":01}', 6],
      ['"a\nb"', 2],
      ['"\\x"', 1],
      ['{} x', 3],
      ['nul', 0],
      ['{"a":"\\u12g4"}', 6]
    ]
    for (const [text, place] of places) expect(findJsonError(text), text).to.equal(place)
  })
  it('is the end for a text cut short, and never before what was right', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { minKeys: 1 }), fc.nat(), (value, at) => {
        const text = JSON.stringify(value)
        const cut = text.slice(0, at % text.length)
        expect(() => JSON.parse(cut) as unknown).to.throw()
        expect(findJsonError(text)).to.equal(text.length)
        const found = findJsonError(cut)
        expect(found).to.be.at.most(cut.length)
        expect(found).to.be.at.least(Math.max(0, cut.length - 12))
      })
    )
  })
})
