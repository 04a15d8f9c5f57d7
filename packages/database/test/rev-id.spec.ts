import { expect } from 'chai'
import fc from 'fast-check'
import {
  canonicalJson,
  compareRevisionIds,
  generationOf,
  isHistory,
  isRevisionId,
  makeRevisionId,
  tombstoneIdFor
} from '@kithmesh/database/replication'
import { canonicalBody } from '../dist/canonical-json.js'

describe('revision ids', () => {
  it('are a generation and an even number of lowercase hex digits', () => {
    for (const good of ['1-ab', '12-00ff', '3-66c183b8980c2066b2d6ecd701d3823bc0c1b838']) expect(isRevisionId(good), good).to.equal(true)
    for (const bad of [
      '',
      '1',
      '-ab',
      '0-ab',
      '01-ab',
      '1-',
      '1-a',
      '1-AB',
      '1-xy',
      ' 1-ab',
      '1-ab ',
      '1-ab\n',
      'a-ab',
      `1-${'ab'.repeat(200)}`
    ])
      expect(isRevisionId(bad), bad).to.equal(false)
  })
  it('are ordered by generation, then digest', () => {
    expect(generationOf('123-ab')).to.equal(123)
    expect(generationOf('')).to.equal(0)
    expect(['2-aa', '10-00', '2-ff', '1-ff'].sort(compareRevisionIds)).to.deep.equal(['1-ff', '2-aa', '2-ff', '10-00'])
    expect(compareRevisionIds('1-aa', '1-aa')).to.equal(0)
  })
  it('make a history only in falling generations', () => {
    expect(isHistory('3-aa', ['2-bb', '1-cc'])).to.equal(true)
    expect(isHistory('9-aa', ['2-bb'])).to.equal(true)
    expect(isHistory('3-aa', [])).to.equal(true)
    expect(isHistory('3-aa', ['3-bb'])).to.equal(false)
    expect(isHistory('3-aa', ['2-bb', '2-cc'])).to.equal(false)
    expect(isHistory('3-aa', ['nonsense'])).to.equal(false)
  })
})

describe('the revision digest', () => {
  it('gives the ids of the reference vectors', () => {
    const first = makeRevisionId('', false, canonicalJson({ a: 1 }))
    expect(first).to.equal('1-66c183b8980c2066b2d6ecd701d3823bc0c1b838')
    expect(makeRevisionId(first, false, canonicalJson({ a: 2 }))).to.equal('2-d04485f7437dbfe43ba14b8cef6b0cb170f617a5')
  })
  it('tells deleted from not deleted', () => {
    expect(makeRevisionId('1-ab', true, '{}')).to.not.equal(makeRevisionId('1-ab', false, '{}'))
    expect(tombstoneIdFor('1-ab')).to.equal(makeRevisionId('1-ab', true, '{}'))
  })
})

describe('canonical JSON', () => {
  it('sorts keys at every level and writes no blanks', () => {
    expect(canonicalJson(JSON.parse('{ "b": [1, {"z": null, "a": true}], "a": "é\\n" }'))).to.equal(
      '{"a":"é\\n","b":[1,{"a":true,"z":null}]}'
    )
  })
  it('is the same for any order of keys, and parses back to the same value', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const text = JSON.stringify(value)
        const parsed = JSON.parse(text) as Record<string, unknown>
        const reversed = Object.fromEntries(Object.entries(parsed).reverse())
        expect(canonicalJson(reversed)).to.equal(canonicalJson(parsed))
        expect(JSON.parse(canonicalJson(parsed))).to.deep.equal(parsed)
      })
    )
  })
  it('does not merge numbers that differ beyond the digits of a double', () => {
    const [one, two] = ['{"n":9007199254740993}', '{"n":9007199254740992}']
    expect(canonicalBody(one, JSON.parse(one))).to.not.equal(canonicalBody(two, JSON.parse(two)))
    expect(canonicalBody('{ "b":1, "a":"1234567890123456789" }', { b: 1, a: '1234567890123456789' })).to.equal(
      '{"a":"1234567890123456789","b":1}'
    )
  })
})
