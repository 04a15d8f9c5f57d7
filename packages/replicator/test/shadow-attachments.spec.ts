import { checkBody } from '@kithmesh/database/replication'
import { expect } from 'chai'
import fc from 'fast-check'
import { CookieJar } from '../dist/cookie-jar.js'
import { encodeDelta } from '../dist/delta/encode-delta.js'
import { bodyFromDelta } from '../dist/protocol/deltas.js'
import { withShadowAttachments } from '../dist/protocol/shadow-attachments.js'

const bytes = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const shadowed = (value: unknown, revId = '3-aa'): Record<string, unknown> =>
  JSON.parse(Buffer.from(withShadowAttachments(revId, bytes(value))).toString()) as Record<string, unknown>

describe('shadows of blobs in _attachments', () => {
  const blob = { '@type': 'blob', digest: 'sha1-x', length: 3, content_type: 'text/plain' }
  const shadow = { digest: 'sha1-x', length: 3, content_type: 'text/plain', stub: true, revpos: 3 }

  it('name every blob by its JSON pointer, with all its properties but the type', () => {
    expect(shadowed({ a: blob, 'b/~c': [1, { d: { ...blob, caption: 'hi' } }] })).to.deep.equal({
      a: blob,
      'b/~c': [1, { d: { ...blob, caption: 'hi' } }],
      _attachments: { 'blob_/a': shadow, 'blob_/b~1~0c/1/d': { ...shadow, caption: 'hi' } }
    })
  })

  it('name a blob whose type is written with escapes, too', () => {
    const text = '{"a":{"\\u0040type":"blob","digest":"sha1-x"}}'
    expect(shadowed(text)['_attachments']).to.deep.equal({ 'blob_/a': { digest: 'sha1-x', stub: true, revpos: 3 } })
  })

  it('have no revpos for a revision that is a version', () => {
    expect(shadowed({ a: blob }, '18e9e0386d1d0000@OS7pN7IRS4Wtr2xhivVgMQ')['_attachments']).to.deep.equal({
      'blob_/a': { digest: 'sha1-x', length: 3, content_type: 'text/plain', stub: true }
    })
  })

  it('leave the rest of the text as it was, to the last digit', () => {
    const text = `{ "n" : 12345678901234567890.10, "a": ${JSON.stringify(blob)} } \n`
    const result = Buffer.from(withShadowAttachments('3-aa', bytes(text))).toString()
    expect(result.startsWith(text.slice(0, text.lastIndexOf('}')))).to.equal(true)
    expect((JSON.parse(result) as Record<string, unknown>)['_attachments']).to.deep.equal({ 'blob_/a': shadow })
  })

  it('are not made where there are no blobs: the same bytes come back', () => {
    for (const value of [
      {},
      { a: { '@type': 'blob' } },
      { a: { '@type': 'blab', digest: 'sha1-x' } },
      { _attachments: { x: { digest: 'sha1-x' } } }
    ]) {
      const given = bytes(value)
      expect(withShadowAttachments('1-aa', given)).to.equal(given)
    }
  })

  it('take the place of older ones, beside attachments of other kinds', () => {
    const old = { digest: 'sha1-y', stub: true, revpos: 1 }
    expect(shadowed({ _attachments: { 'blob_/gone': old, 'old.txt': old }, a: blob })).to.deep.equal({
      a: blob,
      _attachments: { 'old.txt': old, 'blob_/a': shadow }
    })
  })

  it('are in the bodies that deltas of a gateway are made of', () => {
    const before = bytes({ a: blob, text: 'x'.repeat(300) })
    const after = bytes({ a: { ...blob, digest: 'sha1-z' }, text: 'x'.repeat(300) })
    const delta = encodeDelta(withShadowAttachments('3-aa', before), withShadowAttachments('4-bb', after))
    expect(delta?.includes('"_attachments"')).to.equal(true)
    const collection = { bodyOf: () => before } as unknown as Parameters<typeof bodyFromDelta>[3]
    const received = bodyFromDelta('doc', '3-aa', delta ?? Buffer.alloc(0), collection)
    expect(JSON.parse(Buffer.from(checkBody(received).body).toString())).to.deep.equal(JSON.parse(after.toString()))
  })

  it('are taken out again on arrival, whatever the document', () => {
    const value = fc.letrec<{ any: unknown }>((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        fc.record({ '@type': fc.constant('blob'), digest: fc.stringMatching(/^sha1-[a-z]{1,8}$/), length: fc.nat() }),
        fc.array(tie('any'), { maxLength: 4 }),
        fc.dictionary(fc.string({ maxLength: 6 }), tie('any'), { maxKeys: 4 })
      )
    })).any
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ maxLength: 6 }).filter((key) => !key.startsWith('_')),
          value,
          { maxKeys: 6 }
        ),
        (document) => {
          const given = bytes(document)
          const { body, reserved } = checkBody(withShadowAttachments('2-bb', given))
          expect(JSON.parse(Buffer.from(body).toString())).to.deep.equal(JSON.parse(given.toString()))
          const digests = new Set(
            Object.values((reserved?.['_attachments'] ?? {}) as Record<string, { digest: string }>).map(({ digest }) => digest)
          )
          for (const [, digest] of given.toString().matchAll(/"digest":"(sha1-[a-z]+)"/g)) expect(digests.has(digest ?? '')).to.equal(true)
        }
      )
    )
  })
})

describe('the cookies of a URL', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')

  it('follow what the server sets, and forget what it takes back', () => {
    const jar = new CookieJar({ session: 'one', theme: 'dark' })
    jar.take(['session=two; Path=/db; HttpOnly; Expires=Wed, 21 Oct 2026 07:28:00 GMT', 'extra="quoted"'], now)
    expect(jar.header).to.equal('session=two; theme=dark; extra=quoted')
    jar.take(
      [
        'theme=; Max-Age=0',
        'extra=x; Expires=Wed, 21 Oct 2020 07:28:00 GMT',
        'session=three; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT'
      ],
      now
    )
    expect(jar.header).to.equal('session=three')
    jar.take(['session=; Max-Age=-1'], now)
    expect(jar.header).to.equal(undefined)
  })

  it('are bounded, and take nothing that a header cannot have', () => {
    const jar = new CookieJar({})
    jar.take(['no equals', '=nameless', 'a b=c', 'a=b\tc', `long=${'x'.repeat(5000)}`], now)
    expect(jar.header).to.equal(undefined)
    jar.take(
      Array.from({ length: 100 }, (_, i) => `c${i}=1`),
      now
    )
    expect(jar.header?.split('; ')).to.have.length(50)
  })
})
