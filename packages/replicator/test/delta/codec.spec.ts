import { isKithmeshError } from '@kithmesh/core'
import { expect } from 'chai'
import fc from 'fast-check'
import { applyDelta } from '../../dist/delta/apply-delta.js'
import { encodeDelta } from '../../dist/delta/encode-delta.js'
import { JsonText, MAX_DEPTH } from '../../dist/delta/json-text.js'
import { applyTextPatch, makeTextPatch } from '../../dist/delta/text-patch.js'

const apply = (source: string, delta: string): string => applyDelta(Buffer.from(source), Buffer.from(delta)).toString()
const encode = (before: string, after: string): string | undefined => encodeDelta(Buffer.from(before), Buffer.from(after))?.toString()
/** Values below the root, where every form of a delta may stand. */
const applyIn = (source: string, delta: string): unknown => (JSON.parse(apply(`{"v":${source}}`, `{"v":${delta}}`)) as { v?: unknown }).v

function codeOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (isKithmeshError(error)) return error.code
    throw error
  }
  return 'none'
}

const MEETING = "The meeting is moved to Tuesday at nine o'clock in the large room, bring snacks."
const SEASON = 'Årstiden er her, og den røde kjole henger på snoren mellom trærne.'

describe('applying a delta', () => {
  const cases: [what: string, source: string, delta: string, result: string][] = [
    [
      'members changed, added and removed',
      '{"qty":3,"tags":["a","b"],"addr":{"city":"Oslo","zip":"0150"}}',
      '{"qty":4,"tags":{"1":"c","2-":["d"]},"addr":{"zip":[]},"note":["x"]}',
      '{"qty":4,"tags":["a","c","d"],"addr":{"city":"Oslo"},"note":"x"}'
    ],
    ['a deletion', '{"a":null}', '{"a":[]}', '{}'],
    ['null as a value', '{"a":1}', '{"a":null}', '{"a":null}'],
    ['an object for a number', '{"o":5}', '{"o":[{"k":1}]}', '{"o":{"k":1}}'],
    ['a nested insertion', '{"o":{"k":1}}', '{"o":{"k":2,"m":[{"z":1}]}}', '{"o":{"k":2,"m":{"z":1}}}'],
    ['a shortened array', '{"a":[1,2,3,4]}', '{"a":{"2-":[]}}', '{"a":[1,2]}'],
    ['a longer array', '{"a":[1,2]}', '{"a":{"2-":[3]}}', '{"a":[1,2,3]}'],
    ['a new end', '{"a":[1,2,3]}', '{"a":{"1-":[9]}}', '{"a":[1,9]}'],
    ['an array for an empty one', '{"a":[]}', '{"a":[[1,2]]}', '{"a":[1,2]}'],
    ['an element', '{"a":[{"n":1},{"n":2}]}', '{"a":{"1":{"n":9}}}', '{"a":[{"n":1},{"n":9}]}'],
    ['element by element', '{"a":[1,2,3,5,6,7]}', '{"a":{"3":4,"4":5,"5-":[]}}', '{"a":[1,2,3,4,5]}'],
    ['nothing', '{"a":[1]}', '{"a":{}}', '{"a":[1]}'],
    ['nothing at all', '{"a":[1]}', '{}', '{"a":[1]}'],
    ['a replaced root', '{"a":1}', '[{"b":2}]', '{"b":2}'],
    ['the old and the new value', '{"a":1}', '{"a":[1,[2]]}', '{"a":[2]}'],
    ['a deletion with the old value', '{"a":1,"b":2}', '{"a":[1,0,0]}', '{"b":2}'],
    [
      'keys that objects of JavaScript have',
      '{"__proto__":{"a":1},"constructor":1}',
      '{"__proto__":{"a":2}}',
      '{"__proto__":{"a":2},"constructor":1}'
    ],
    ['a new key __proto__', '{"a":1}', '{"__proto__":[{"polluted":true}]}', '{"a":1,"__proto__":{"polluted":true}}'],
    ['keys that are written differently', '{"\\u0061":1}', '{"a":2}', '{"\\u0061":2}']
  ]
  for (const [what, source, delta, result] of cases) {
    it(`takes ${what}`, () => {
      expect(apply(source, delta)).to.equal(result)
      expect(({} as Record<string, unknown>)['polluted']).to.equal(undefined)
    })
  }

  it('patches text by UTF-8 bytes', () => {
    expect(applyIn(JSON.stringify(MEETING), '["25=3-4+hurs|27=5-5+small|20=",0,2]')).to.equal(
      "The meeting is moved to Thursday at nine o'clock in the small room, bring snacks."
    )
    expect(applyIn(JSON.stringify(SEASON), '["25=6-5+grå |39=",0,2]')).to.equal(
      'Årstiden er her, og den grå kjole henger på snoren mellom trærne.'
    )
    expect(applyIn('"ab"', '["1=4+|\\n\\"||1=",0,2]')).to.equal('a|\n"|b')
  })

  it('leaves what it does not touch as it was written', () => {
    const source = '{"big":12345678901234567890, "one":1.0,"e":1E2,"minus":-0,"half":"\\ud800","esc":"\\u0041\\/","n":1}'
    expect(apply(source, '{"n":2}')).to.equal(source.replace('"n":1', '"n":2').replace(', "one"', ',"one"'))
    expect(apply('{"a":[1.0,2]}', '{"a":{"1":98765432109876543210}}')).to.equal('{"a":[1.0,98765432109876543210]}')
  })

  const refused: [what: string, source: string, delta: string, code: string][] = [
    ['members of null', '{"x":null}', '{"x":{"a":1}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['no change of what is not there', '{}', '{"x":{}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['members of what is not there', '{}', '{"x":{"a":1}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['a deletion of what is not there', '{}', '{"x":[]}', 'ERR_REPL_DELTA_MISMATCH'],
    ['a replacement of what is not there', '{}', '{"x":[1,2]}', 'ERR_REPL_DELTA_MISMATCH'],
    ['a deletion of the document', '{"a":1}', '[]', 'ERR_REPL_DELTA_MISMATCH'],
    ['an operation unknown', '{"a":"b"}', '{"a":["1=",0,3]}', 'ERR_REPL_DELTA_MALFORMED'],
    ['an array of four', '{"a":"b"}', '{"a":[1,2,3,4]}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a bare value', '{"a":1}', '5', 'ERR_REPL_DELTA_MALFORMED'],
    ['no JSON', '{"a":1}', '{"a":}', 'ERR_REPL_DELTA_MALFORMED'],
    ['nothing', '{"a":1}', '', 'ERR_REPL_DELTA_MALFORMED'],
    ['a key twice', '{"a":1}', '{"a":2,"\\u0061":3}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a source with a key twice', '{"a":1,"a":2}', '{"b":3}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a place beyond the array', '{"a":[1]}', '{"a":{"1":2}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['an end beyond the array', '{"a":[1]}', '{"a":{"2-":[2]}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['a place after the new end', '{"a":[1,2,3]}', '{"a":{"1-":[],"2":4}}', 'ERR_REPL_DELTA_MISMATCH'],
    ['two new ends', '{"a":[1,2,3]}', '{"a":{"1-":[],"2-":[]}}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a new end that is no array', '{"a":[1]}', '{"a":{"1-":2}}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a place that is no number', '{"a":[1]}', '{"a":{"length":2}}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a place with a leading zero', '{"a":[1]}', '{"a":{"00":2}}', 'ERR_REPL_DELTA_MALFORMED'],
    ['a deleted element', '{"a":[1]}', '{"a":{"0":[]}}', 'ERR_REPL_DELTA_MALFORMED'],
    ['text of a number', '{"a":1}', '{"a":["1=",0,2]}', 'ERR_REPL_DELTA_MISMATCH'],
    ['operations that are no text', '{"a":"b"}', '{"a":[1,0,2]}', 'ERR_REPL_DELTA_MALFORMED'],
    ['text with half a character', '{"a":"\\ud800"}', '{"a":["3=",0,2]}', 'ERR_REPL_DELTA_MISMATCH'],
    ['operations with half a character', '{"a":"b"}', '{"a":["1=3+\\ud800|",0,2]}', 'ERR_REPL_DELTA_MISMATCH'],
    ['too many levels', '{"a":1}', `{"a":${'['.repeat(MAX_DEPTH)}${']'.repeat(MAX_DEPTH)}}`, 'ERR_REPL_DELTA_LIMIT']
  ]
  for (const [what, source, delta, code] of refused) {
    it(`refuses ${what}`, () => {
      expect(codeOf(() => apply(source, delta))).to.equal(code)
    })
  }

  it('refuses bytes that are no UTF-8', () => {
    expect(codeOf(() => applyDelta(Buffer.from('{"a":1}'), Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])))).to.equal(
      'ERR_REPL_DELTA_MALFORMED'
    )
  })

  it('bounds the number of values', () => {
    expect(codeOf(() => apply('{"a":1}', `{"a":[[${'0,'.repeat(2_000_000)}0]]}`))).to.equal('ERR_REPL_DELTA_LIMIT')
  })
})

describe('operations on text', () => {
  const patch = (before: string, operations: string): string => applyTextPatch(Buffer.from(before), Buffer.from(operations)).toString()
  const MALFORMED = ['', '3', '=', '-1=', '1=1+x', '1=1+xy|', '3+|||', '2147483648=', '99999999999999999999=', '3*', ' 3=', '1=5+ab|2=']
  const MISFITS = ['2=', '4=', '4-', '2-2=', '3=1=', '1-', '2147483647=']
  for (const operations of MALFORMED) {
    it(`refuses "${operations}"`, () => {
      expect(codeOf(() => patch('abc', operations))).to.equal('ERR_REPL_DELTA_MALFORMED')
    })
  }
  for (const operations of MISFITS) {
    it(`refuses "${operations}" for a text of three bytes`, () => {
      expect(codeOf(() => patch('abc', operations))).to.equal('ERR_REPL_DELTA_MISMATCH')
    })
  }

  it('refuses to cut a character in two', () => {
    expect(codeOf(() => patch('åb', '1=1-1='))).to.equal('ERR_REPL_DELTA_MISMATCH')
  })

  it('are few where a few words changed', () => {
    const after = "The meeting is moved to Thursday at nine o'clock in the small room, bring snacks."
    const operations = makeTextPatch(MEETING, after) ?? ''
    expect(operations.length).to.be.lessThan(40)
    expect(patch(MEETING, operations)).to.equal(after)
  })

  it('are not made for short texts, nor where they would be longer', () => {
    expect(makeTextPatch('a'.repeat(59), `${'a'.repeat(58)}b`)).to.equal(undefined)
    expect(makeTextPatch('a'.repeat(60), 'b'.repeat(60))).to.equal(undefined)
  })

  it('replace the whole stretch where too much changed to be compared', () => {
    const before = Array.from({ length: 3000 }, (_, i) => `w${i}`).join(' ')
    const after = Array.from({ length: 3000 }, (_, i) => `v${i * 7}`).join(' ')
    const operations = makeTextPatch(`${SEASON.repeat(1000)}<${before}>`, `${SEASON.repeat(1000)}<${after}>`) ?? ''
    expect(patch(`${SEASON.repeat(1000)}<${before}>`, operations)).to.equal(`${SEASON.repeat(1000)}<${after}>`)
  })
})

describe('making a delta', () => {
  const cases: [what: string, before: string, after: string, delta: string][] = [
    ['nothing for equal documents', '{"a":1}', '{"a":1}', '{}'],
    ['a changed number', '{"a":1,"b":2}', '{"b":3,"a":1}', '{"b":3}'],
    [
      'a removed and an added member',
      '{"a":1,"b":{"c":1,"dddddddddddd":2}}',
      '{"b":{"c":2,"dddddddddddd":2},"e":[]}',
      '{"b":{"c":2},"e":[[]],"a":[]}'
    ],
    [
      'a number that JavaScript cannot hold',
      '{"a":12345678901234567890,"b":1}',
      '{"a":12345678901234567891,"b":1}',
      '{"a":12345678901234567891}'
    ],
    ['a number written differently', '{"a":1}', '{"a":1.0}', '{"a":1.0}'],
    ['an element', '{"a":[10,20,30,40]}', '{"a":[10,25,30,40]}', '{"a":{"1":25}}'],
    ['an inserted element', '{"a":[100,200,300,400]}', '{"a":[50,100,200,300,400]}', '{"a":[[50,100,200,300,400]]}'],
    ['a shortened array', '{"a":[1111,2222,3333]}', '{"a":[1111,2222]}', '{"a":{"2-":[]}}'],
    ['a member __proto__', '{"__proto__":{"a":1,"b":"xxxxxxxxxxx"}}', '{"__proto__":{"a":2,"b":"xxxxxxxxxxx"}}', '{"__proto__":{"a":2}}']
  ]
  for (const [what, before, after, delta] of cases) {
    it(`says ${what}`, () => {
      expect(encode(before, after)).to.equal(delta)
    })
  }

  it('patches a long text', () => {
    const delta = encode(JSON.stringify({ text: SEASON }), JSON.stringify({ text: SEASON.replace('røde', 'grå') }))
    expect(delta).to.match(/^\{"text":\["25=.*",0,2\]\}$/)
    expect(JSON.parse(apply(JSON.stringify({ text: SEASON }), delta ?? ''))).to.deep.equal({ text: SEASON.replace('røde', 'grå') })
  })

  it('is not possible with a key twice, with too many levels, or of anything but objects', () => {
    expect(encode('{"a":1,"a":2}', '{"a":3}')).to.equal(undefined)
    expect(encode('{"a":1}', '{"b":{"a":1,"a":2}}')).to.equal('{"b":[{"a":1,"a":2}],"a":[]}')
    expect(encode(`{"a":${'['.repeat(400)}${']'.repeat(400)}}`, '{"a":3}')).to.equal(undefined)
    expect(encode('[1]', '[2]')).to.equal(undefined)
  })

  // ---- Properties

  const letters = fc.constantFrom<string>(
    'a',
    'B',
    ' ',
    'word ',
    'ø',
    'é',
    'e\u0301',
    '漢',
    '字',
    '👩‍👩‍👧',
    '😀',
    '\ud800',
    '\udc00',
    '"',
    '\\',
    '\n',
    '|',
    '\u0000'
  )
  const text = fc.oneof(
    fc.string({ unit: letters, maxLength: 12 }),
    fc.string({ unit: letters, minLength: 60, maxLength: 150 }),
    fc.string({ unit: 'grapheme' })
  )
  const key = fc.oneof(
    fc.constantFrom('a', 'b', 'c', '0', '1', '0-', '__proto__', 'constructor', 'toString', ''),
    fc.string({ unit: 'grapheme', maxLength: 3 })
  )
  const { value: json } = fc.letrec<{ value: string }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.oneof(
        fc.constantFrom('null', 'true', 'false', '1', '1.0', '1e3', '-0', '12345678901234567890', '0.1000000000000000055'),
        fc.integer().map(String),
        text.map((t) => JSON.stringify(t))
      ),
      fc.array(tie('value'), { maxLength: 6 }).map((items) => `[${items.join(',')}]`),
      fc
        .uniqueArray(fc.tuple(key, tie('value')), { maxLength: 6, selector: ([k]) => k })
        .map((members) => `{${members.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`)
    )
  }))
  const object = fc
    .uniqueArray(fc.tuple(key, json), { maxLength: 8, selector: ([k]) => k })
    .map((members) => `{${members.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`)

  /** Members in the order of their keys and everything else as written: equal for equal documents, and nothing is rounded. */
  function canonical(bytes: string): string {
    const document = new JsonText(Buffer.from(bytes))
    const write = (node: number): string => {
      if (document.kind(node) === '[') return `[${document.items(node).map(write).join(',')}]`
      if (document.kind(node) !== '{') return document.raw(node)
      const members = [...document.members(node)].map(([k, { value }]) => [k, write(value)] as const)
      return `{${members
        .sort((a, b) => (a[0] < b[0] ? -1 : 1))
        .map(([k, v]) => `${JSON.stringify(k)}:${v}`)
        .join(',')}}`
    }
    return write(document.root)
  }

  it('leads from any document to any other', () => {
    fc.assert(
      fc.property(object, object, (before, after) => {
        const delta = encode(before, after) ?? ''
        expect(canonical(apply(before, delta))).to.equal(canonical(after))
      }),
      { numRuns: 1500 }
    )
  })

  it('leads from any document to the same with some values replaced', () => {
    const replaced = (document: string, at: number, by: string): string => {
      const parsed = new JsonText(Buffer.from(document))
      const places: number[] = []
      const visit = (node: number): void => {
        if (node !== parsed.root) places.push(node)
        if (parsed.kind(node) === '[') parsed.items(node).forEach(visit)
        else if (parsed.kind(node) === '{') for (const { value } of parsed.members(node).values()) visit(value)
      }
      visit(parsed.root)
      const place = places[at % Math.max(places.length, 1)]
      return place === undefined ? document : document.slice(0, parsed.start(place)) + by + document.slice(parsed.end(place))
    }
    fc.assert(
      fc.property(object, fc.array(fc.tuple(fc.nat(), json), { minLength: 1, maxLength: 3 }), (before, changes) => {
        const after = changes.reduce((document, [at, by]) => replaced(document, at, by), before)
        const delta = encode(before, after) ?? ''
        expect(canonical(apply(before, delta))).to.equal(canonical(after))
      }),
      { numRuns: 1500 }
    )
  })

  /** A text and what an author made of it. */
  const edited = fc
    .tuple(
      fc.array(letters, { minLength: 70, maxLength: 300 }),
      fc.array(fc.tuple(fc.nat(299), fc.nat(8), fc.string({ unit: letters, maxLength: 10 })), { maxLength: 6 })
    )
    .map(([before, edits]) => {
      const after = [...before]
      for (const [at, removed, added] of edits) after.splice(at % after.length, removed, added, ' ')
      return [before.join(''), after.join('')] as const
    })

  it('leads from any text to what was made of it', () => {
    fc.assert(
      fc.property(edited, ([before, after]) => {
        const [source, target] = [JSON.stringify({ text: before }), JSON.stringify({ text: after })]
        const delta = encode(source, target) ?? ''
        expect(apply(source, delta)).to.equal(target)
      }),
      { numRuns: 1000 }
    )
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 60, maxLength: 200 }),
        fc.nat(190),
        fc.string({ unit: 'grapheme' }),
        (before, at, added) => {
          const after = [...before].toSpliced(at, 2, added).join('')
          const operations = makeTextPatch(before, after)
          if (operations !== undefined) expect(applyTextPatch(Buffer.from(before), Buffer.from(operations)).toString()).to.equal(after)
        }
      ),
      { numRuns: 500 }
    )
  })

  it('that is not of the document ends in an error of its own or in JSON, and changes no source', () => {
    const operations = fc
      .array(
        fc.oneof(
          fc.nat(40).map((n) => `${n}=`),
          fc.nat(9).map((n) => `${n}-`),
          fc.string({ unit: letters, maxLength: 4 }).map((t) => `${Buffer.byteLength(t)}+${t}|`),
          fc.string({ maxLength: 3 })
        )
      )
      .map((parts) => `[${JSON.stringify(parts.join(''))},0,2]`)
    const hostile: fc.Arbitrary<string> = fc.letrec<{ delta: string }>((tie) => ({
      delta: fc.oneof(
        { depthSize: 'small' },
        fc.oneof(json, operations, fc.constantFrom('[]', '{}', '[1,0,0]', '[1,2]', '[1,2,3]', '["3=",0,2]', '[null]')),
        fc
          .array(fc.tuple(fc.oneof(key, fc.constantFrom('0', '1', '2', '0-', '1-', '2-', '-1', '1e1', '4294967296-')), tie('delta')), {
            maxLength: 5
          })
          .map((members) => `{${members.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`)
      )
    })).delta
    const counts = { applied: 0, refused: 0 }
    fc.assert(
      fc.property(
        object,
        fc.oneof(
          hostile,
          fc.string(),
          fc
            .tuple(hostile, fc.nat(), fc.string({ maxLength: 2 }))
            .map(([d, at, s]) => d.slice(0, at % (d.length + 1)) + s + d.slice((at % (d.length + 1)) + 1))
        ),
        (before, delta) => {
          const source = Buffer.from(before)
          try {
            JSON.parse(applyDelta(source, Buffer.from(delta)).toString())
            counts.applied++
          } catch (error) {
            if (!isKithmeshError(error)) throw error
            expect(error.code).to.match(/^ERR_REPL_DELTA_/)
            counts.refused++
          }
          expect(source.toString()).to.equal(before)
        }
      ),
      { numRuns: 4000 }
    )
    expect(counts.applied).to.be.greaterThan(100)
    expect(counts.refused).to.be.greaterThan(100)
  })

  it('is read as strictly as JSON is', () => {
    const almost = fc
      .tuple(json, fc.nat(), fc.constantFrom('', ',', '0', '-', '.', 'e', '"', '\\', '\u0001', '}', ']', ' ', 'u12', 'tru', '\u00a0'))
      .map(([t, at, s]) => {
        const place = at % (t.length + 1)
        return t.slice(0, place) + s + t.slice(place + 1)
      })
    fc.assert(
      fc.property(fc.oneof(json, almost, fc.string()), (candidate) => {
        const bytes = Buffer.from(candidate)
        let valid = true
        try {
          JSON.parse(bytes.toString())
        } catch {
          valid = false
        }
        expect(codeOf(() => new JsonText(bytes)) === 'none').to.equal(valid)
      }),
      { numRuns: 4000 }
    )
  })
})
