import { expect } from 'chai'
import { formatDocumentLine, onOneLine, parseDocumentLine } from '../dist/document-line.js'

const format = (id: string, body: string, rev?: string): string => formatDocumentLine(id, rev, Buffer.from(body)).toString()

describe('a document as a line', () => {
  const cases: [string, string, string][] = [
    ['{"_id":"a","b":1}', 'a', '{"b":1}'],
    ['{"_id":"a"}', 'a', '{}'],
    [' { "_id" : "a" } ', 'a', '{ }'],
    ['{"b":1,"_id":"a"}', 'a', '{"b":1}'],
    ['{"b":1,"_id":"a","c":[1,{"_id":2}]}', 'a', '{"b":1,"c":[1,{"_id":2}]}'],
    ['{"_rev":"1-ab","_id":"a"}', 'a', '{}'],
    ['{"b":1,"_id":"a","_rev":"1-ab"}', 'a', '{"b":1}'],
    ['{"_id":"a","_rev":"1-ab","b":"_rev"}', 'a', '{"b":"_rev"}'],
    ['{"_id":"a\\"\\\\\\u00e9","b":"x\\"}"}', 'a"\\é', '{"b":"x\\"}"}'],
    ['{"\\u005fid":"a","b":1}', 'a', '{"b":1}'],
    ['{"_id":"a","n":12345678901234567890,"m":1.0,"e":1E400,"2":0,"1":0}', 'a', '{"n":12345678901234567890,"m":1.0,"e":1E400,"2":0,"1":0}'],
    ['{"_id":"a","__proto__":{"x":1}}', 'a', '{"__proto__":{"x":1}}'],
    ['{"_id":"日本 \u2028🦉","b":"ü"}', '日本 \u2028🦉', '{"b":"ü"}'],
    ['{"b":"a,}]{[","_id":"a","c":-1.5e-3 , "d":true}', 'a', '{"b":"a,}]{[","c":-1.5e-3 , "d":true}']
  ]
  for (const [line, id, body] of cases) {
    it(`is taken apart: ${line}`, () => {
      expect(parseDocumentLine(line)).to.deep.equal({ id, body })
    })
  }

  const bad: [string, RegExp][] = [
    ['{"_id":"a",}', /JSON/],
    ['{"b":1,,"_id":"a"}', /JSON/],
    ['{"b":1 "_id":"a"}', /JSON/],
    ['{"_id":"a","_rev":"1-a"} x', /JSON/],
    ['{"b":"open,"_id":"a"}', /JSON/],
    ['{"b":[1,"_id":"a"}', /JSON/],
    ['{}', /has no "_id"/],
    ['{"b":1}', /has no "_id"/],
    ['{"_id":1}', /not a string/],
    ['{"_id":null,"b":1}', /not a string/],
    ['{"b":0,"_id":"a","_id":"b"}', /more than one/],
    ['[1]', /an array, not a JSON object/],
    ['null', /null, not a JSON object/],
    ['"text"', /a string, not a JSON object/],
    ['text', /JSON/]
  ]
  for (const [line, message] of bad) {
    it(`is refused: ${line}`, () => {
      expect(() => parseDocumentLine(line)).to.throw(message)
    })
  }

  it('is not written anew: what is put together and taken apart is the same, byte for byte', () => {
    for (const body of ['{}', '{ }', '{"a":1}', '{ "a" : 1 }', '{"a":"_rev"}', '{  "a":{"_rev":1},"b":2 }', '{"n":1.0}']) {
      for (const id of ['a', 'a"b', 'ü\\', '🦉']) {
        const line = format(id, body)
        expect(line.endsWith('\n')).to.equal(true)
        const parsed = parseDocumentLine(line.slice(0, -1))
        expect(parsed.id, line).to.equal(id)
        expect(format(parsed.id, parsed.body)).to.equal(line)
      }
    }
  })

  it('has blanks where the stored body has line breaks', () => {
    expect(format('a', '{\n  "b": "x\\ny",\r\n  "c": 2\n}')).to.equal('{"_id":"a",   "b": "x\\ny",    "c": 2 }\n')
    const plain = Buffer.from('{"a":1}')
    expect(onOneLine(plain)).to.equal(plain)
  })

  it('has the revision when asked for', () => {
    expect(format('a', '{}', '1-ab')).to.equal('{"_id":"a","_rev":"1-ab"}\n')
  })

  it('may be deep and long without harm', () => {
    const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`
    expect(parseDocumentLine(`{"x":${deep},"_id":"a"}`).body).to.have.lengthOf(deep.length + 6)
    const long = 'x'.repeat(5_000_000)
    expect(parseDocumentLine(`{"x":"${long}","_id":"a"}`).body).to.have.lengthOf(long.length + 8)
  })
})
