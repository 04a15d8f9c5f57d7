import { expect } from 'chai'
import fc from 'fast-check'
import { formatHistory, formatVector, isVectorHistory, parseHistory, parseVector, vectorCovers } from '@kithmesh/database/replication'
import {
  absorb,
  bounded,
  canAbsorb,
  compareVectors,
  currentVersion,
  knowsAll,
  MAX_SOURCES,
  merge,
  mergesSameVersions,
  withVersion
} from '../dist/vectors/version-vector.js'
import type { VersionVector } from '../dist/vectors/version-vector.js'
import { thrownBy } from './temporary.ts'

const SOURCES: Readonly<Record<string, string>> = {
  me: 'MeMeMeMeMeMeMeMeMeMeMA',
  A: 'AliceAliceAliceAliceAA',
  B: 'BobBobBobBobBobBobBobA',
  C: 'CarolCarolCarolCarolCA',
  D: 'DaveDaveDaveDaveDaveDA',
  Z: 'ZegpoldZegpoldZegpoldA'
}

/** `6@me; 2@A` with the sources written out. */
function long(text: string): string {
  return text.replace(/@(\w+)/g, (_all, name: string) => `@${SOURCES[name] as string}`)
}

function vector(text: string): VersionVector {
  const { revId, history, merges } = parseVector(long(text))
  return { versions: [revId, ...history], merges }
}

function short({ versions, merges }: VersionVector): string {
  const text = formatVector({ revId: versions[0] as string, history: versions.slice(1), merges })
  return Object.entries(SOURCES).reduce((result, [name, source]) => result.replaceAll(source, name), text)
}

const time = fc.integer({ min: 1, max: 40 })
const anyVector: fc.Arbitrary<VersionVector> = fc
  .record({
    order: fc.shuffledSubarray(Object.values(SOURCES), { minLength: 1 }),
    times: fc.array(time, { minLength: 7, maxLength: 7 }),
    merges: fc.nat(3),
    again: fc.boolean()
  })
  .map(({ order, times, merges, again }) => {
    const versions = order.map((source, index) => `${(times[index] as number).toString(16)}@${source}`)
    const count = Math.min(merges, versions.length - 1)
    const first = times[0] as number
    if (!again || count === 0 || first === 1) return { versions, merges: count }
    return {
      versions: [versions[0] as string, `${(first - 1).toString(16)}@${order[0] as string}`, ...versions.slice(1)],
      merges: count + 1
    }
  })

describe('version vectors', () => {
  describe('as text', () => {
    for (const [text, merges] of [
      ['3@me', 0],
      ['3@me; 2@A, 1@D, 2@C', 0],
      ['4@B, 3@A, 2@B; 1@C', 2],
      ['4@me, 2@A, 1@D;', 2],
      ['5@B, 3@A, 4@C; 2@D', 2]
    ] as const) {
      it(`stay what they are: ${text}`, () => {
        expect(short(vector(text))).to.equal(text)
        expect(vector(text).merges).to.equal(merges)
      })
    }

    it('are read without a semicolon as if all were merged, and with blanks or without', () => {
      expect(short(vector('4@me, 2@A,1@D'))).to.equal('4@me, 2@A, 1@D;')
      expect(short(vector('1@D;'))).to.equal('1@D')
      expect(short(vector('3@me;2@A,  1@D,2@C'))).to.equal('3@me; 2@A, 1@D, 2@C')
    })

    it('may be revision ids of trees, before and behind vectors', () => {
      expect(parseVector('2-abcd')).to.deep.equal({ revId: '2-abcd', history: [], merges: 0 })
      expect(parseVector(long('4@A; 2-abcd, 1-ef'))).to.deep.equal({ revId: long('4@A'), history: ['2-abcd', '1-ef'], merges: 0 })
      expect(parseVector(long('4@A, 2@B; 2-abcd'))).to.deep.equal({ revId: long('4@A'), history: [long('2@B'), '2-abcd'], merges: 1 })
      expect(parseVector(long('4@A, 2-abcd'))).to.deep.equal({ revId: long('4@A'), history: ['2-abcd'], merges: 0 })
    })

    it('are split between the properties of a message as cbmobile.md §15 has it', () => {
      expect(formatHistory({ history: [long('3@A'), long('4@C'), long('2@D')], merges: 2 })).to.equal(long('3@A, 4@C; 2@D'))
      expect(formatHistory({ history: [long('3@A')] })).to.equal(long('3@A'))
      expect(formatHistory({ history: [] })).to.equal('')
      expect(parseHistory(long('5@B'), long('3@A, 4@C; 2@D'))).to.deep.equal({
        history: [long('3@A'), long('4@C'), long('2@D')],
        merges: 2
      })
      expect(parseHistory(long('5@B'), long('3@A'))).to.deep.equal({ history: [long('3@A')], merges: 0 })
      expect(parseHistory(long('5@B'), '')).to.deep.equal({ history: [], merges: 0 })
    })

    it('come back from text as they went', () => {
      fc.assert(
        fc.property(anyVector, fc.constantFrom<string[]>([], ['2-abcd', '1-ef']), ({ versions, merges }, legacy) => {
          const parts = { revId: versions[0] as string, history: [...versions.slice(1), ...legacy], merges }
          expect(isVectorHistory(parts.revId, parts.history, merges)).to.equal(true)
          expect(parseVector(formatVector(parts))).to.deep.equal(parts)
          const { revId, ...history } = parts
          expect(parseHistory(revId, formatHistory(history))).to.deep.equal(history)
        })
      )
    })

    for (const [what, text] of Object.entries({
      'a source twice': '3@A; 2@B, 1@B',
      'the current source among the previous': '3@A; 2@A',
      'the current source thrice': '3@A, 2@A, 1@A; 1@B',
      'a merge version later than the current one of its source': '3@A, 4@A; 1@B',
      'two semicolons': '3@A, 2@B; 1@C; 1@D',
      'two semicolons after one version': '3@A; 2@B; 1@C',
      'a version behind a revision of a tree': '3@A; 1-ab, 2@B',
      'a revision of a tree among the merge versions': '3@A, 1-ab; 2@B',
      'an empty entry': '3@A; , 2@B',
      nothing: ''
    })) {
      it(`are refused with ${what}`, () => {
        expect(thrownBy(() => parseVector(long(text))).code).to.equal('ERR_DB_REVISION_ID')
      })
    }

    it('are refused with the local form', () => {
      expect(thrownBy(() => parseVector('3@*; 2@AliceAliceAliceAliceAA')).code).to.equal('ERR_DB_REVISION_ID')
    })

    it('never make the reader throw anything else, nor take long, whatever comes', () => {
      const piece = fc.oneof(
        fc.constantFrom(',', ';', ' ', '@', '-', '*', '1-ab', '0', 'f'.repeat(17), ' '.repeat(30_000), ','.repeat(70_000)),
        fc.constantFrom(...Object.values(SOURCES)).map((source) => `2@${source}`),
        fc.string({ unit: 'binary', maxLength: 20 })
      )
      fc.assert(
        fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
          const text = pieces.join('')
          for (const read of [parseVector, (history: string) => parseHistory(long('9@Z'), history)]) {
            try {
              const { history, merges } = read(text)
              expect(merges).to.be.at.most(history.length)
            } catch (error) {
              expect((error as { code?: string }).code).to.equal('ERR_DB_REVISION_ID')
              expect((error as Error).message.length).to.be.below(600)
            }
          }
        })
      )
    })
  })

  describe('compared', () => {
    for (const [a, order, b] of [
      ['6@me; 2@A, 1@D, 2@C', 'same', '6@me; 2@A, 1@D, 2@C'],
      ['6@me; 2@A, 1@D, 2@C', 'newer', '5@me; 2@A, 1@D, 2@C'],
      ['6@me; 2@A, 1@D, 2@C', 'newer', '2@A; 1@D, 2@C'],
      ['6@me; 2@A, 1@D, 2@C', 'newer', '1@C'],
      ['6@me; 2@A, 1@D, 2@C', 'older', '2@D; 6@me, 2@A, 2@C'],
      ['6@me; 2@A, 1@D, 2@C', 'older', '2@D; 1@Z, 6@me, 2@A, 9@C'],
      ['6@me; 2@A, 1@D, 2@C', 'conflict', '4@A; 1@D, 2@C'],
      ['6@me; 4@A, 2@C, 1@D', 'same', '6@me; 2@A'],
      ['6@me; 4@A, 2@C, 1@D', 'newer', '4@A; 1@D'],
      ['6@me; 4@A', 'conflict', '4@A; 6@me']
    ] as const) {
      it(`${a} is ${order}: ${b}`, () => {
        expect(compareVectors(vector(a), vector(b))).to.equal(order)
      })
    }

    it('either way round give the same answer', () => {
      const opposite = { same: 'same', conflict: 'conflict', newer: 'older', older: 'newer' }
      fc.assert(
        fc.property(anyVector, anyVector, (a, b) => {
          expect(compareVectors(b, a)).to.equal(opposite[compareVectors(a, b)])
          expect(compareVectors(a, a)).to.equal('same')
        })
      )
    })

    it('cover what their history names, in either kind of id', () => {
      const revision = { revId: long('6@me'), history: [long('4@A'), '2-abcd0000', '1-ef'] }
      for (const revId of ['6@me', '5@me', '4@A', '3@A']) expect(vectorCovers(revision, long(revId)), revId).to.equal(true)
      for (const revId of ['7@me', '5@A', '1@B']) expect(vectorCovers(revision, long(revId)), revId).to.equal(false)
      expect(vectorCovers(revision, '2-abcd0000')).to.equal(true)
      expect(vectorCovers(revision, '2-abce0000')).to.equal(false)
      expect(vectorCovers({ revId: long('6@me'), history: ['2abcd000000@Revision+Tree+Encoding'] }, '2-abcd0000')).to.equal(true)
    })
  })

  describe('edited', () => {
    it('move what was current behind the new version', () => {
      expect(short(withVersion(vector('5@B; 3@A, 2@D, 1@C'), long('6@D')))).to.equal('6@D; 5@B, 3@A, 1@C')
    })

    it('are merges no longer', () => {
      expect(short(withVersion(vector('7@me, 6@me, 4@A; 2@C, 1@D'), long('8@me')))).to.equal('8@me; 4@A, 2@C, 1@D')
      expect(short(withVersion(vector('7@Z, 6@Z, 4@A; 2@C, 1@D'), long('8@me')))).to.equal('8@me; 7@Z, 4@A, 2@C, 1@D')
    })

    it('know all they knew', () => {
      fc.assert(
        fc.property(anyVector, fc.constantFrom(...Object.values(SOURCES)), (before, source) => {
          const after = withVersion(before, `29@${source}`)
          expect(compareVectors(after, before)).to.equal('newer')
          expect(knowsAll(after, before)).to.equal(true)
          expect(isVectorHistory(after.versions[0] as string, after.versions.slice(1), after.merges)).to.equal(true)
        })
      )
    })
  })

  describe('merged', () => {
    it('without a new version keep the winner current', () => {
      const [a, b] = [vector('6@me; 2@A, 1@D, 2@C'), vector('4@A; 1@D, 2@C')]
      expect(short(absorb(a, b))).to.equal('6@me; 4@A, 2@C, 1@D')
      expect(short(absorb(b, a))).to.equal('4@A; 6@me, 2@C, 1@D')
    })

    it('without a new version stay merges unless something later than a merge version is known', () => {
      const merged = vector('6@me, 5@me, 2@A; 1@D, 2@C')
      expect(short(absorb(merged, vector('4@D; 2@C')))).to.equal('6@me, 5@me, 2@A; 4@D, 2@C')
      expect(short(absorb(vector('4@D; 2@C'), merged))).to.equal('4@D; 6@me, 2@C, 2@A')
      expect(short(absorb(merged, vector('4@A; 2@C')))).to.equal('6@me; 4@A, 2@C, 1@D')
    })

    it('with a new version name the two versions that were merged', () => {
      expect(short(merge(long('7@me'), vector('6@me; 2@A, 1@D, 2@C'), vector('4@A; 1@D, 2@C')) as VersionVector)).to.equal(
        '7@me, 6@me, 4@A; 2@C, 1@D'
      )
      expect(short(merge(long('3@me'), vector('1@A'), vector('2@B')) as VersionVector)).to.equal('3@me, 2@B, 1@A;')
    })

    it('with a new version are not made of two versions of one source', () => {
      expect(merge(long('7@me'), vector('3@A; 1@B'), vector('2@A; 2@B'))).to.equal(undefined)
    })

    it('dominate both', () => {
      fc.assert(
        fc.property(anyVector, anyVector, (a, b) => {
          const made = merge(long('ff@me'), a, b)
          if (made !== undefined) {
            for (const side of [a, b]) {
              expect(compareVectors(made, side)).to.equal('newer')
              expect(knowsAll(made, side)).to.equal(true)
            }
            expect(isVectorHistory(made.versions[0] as string, made.versions.slice(1), made.merges)).to.equal(true)
          }
          if (!canAbsorb(a, b)) return
          const kept = absorb(a, b)
          expect(currentVersion(kept)).to.equal(currentVersion(a))
          expect(knowsAll(kept, a) && knowsAll(kept, b)).to.equal(true)
          expect(isVectorHistory(kept.versions[0] as string, kept.versions.slice(1), kept.merges)).to.equal(true)
        })
      )
    })

    it('are recognised when they merge the very same versions', () => {
      const [a, b] = [vector('6@me; 1@D'), vector('4@A; 2@C')]
      const [here, there] = [merge(long('7@me'), a, b), merge(long('8@Z'), b, a)] as [VersionVector, VersionVector]
      expect(compareVectors(here, there)).to.equal('conflict')
      expect(mergesSameVersions(here, there)).to.equal(true)
      expect(mergesSameVersions(here, merge(long('8@Z'), b, vector('7@B')) as VersionVector)).to.equal(false)
      expect(mergesSameVersions(a, b)).to.equal(false)
    })
  })

  it('forget the oldest versions beyond the bound, never the current and merged ones', () => {
    const many = Array.from({ length: 2 * MAX_SOURCES }, (_none, index) => {
      const source = Buffer.alloc(16, 7)
      source.writeUInt16BE(index)
      return `${((index * 37) % 1000) + 16}@${source.toString('base64').slice(0, 22)}`
    })
    const kept = bounded({ versions: [long('1@A'), long('2@B'), ...many], merges: 1 })
    expect(kept.versions).to.have.length(MAX_SOURCES)
    expect(kept.versions.slice(0, 2)).to.deep.equal([long('1@A'), long('2@B')])
    const times = (versions: readonly string[]): number[] => versions.map((version) => Number.parseInt(version, 16))
    const dropped = many.filter((version) => !kept.versions.includes(version))
    expect(Math.max(...times(dropped))).to.be.at.most(Math.min(...times(kept.versions.slice(2))))
    const hostile = bounded({ versions: [long('fff@A'), long('1@A'), ...many], merges: 150 })
    expect(hostile).to.include({ merges: 0 })
    expect(hostile.versions).to.have.length(MAX_SOURCES)
    expect(isVectorHistory(hostile.versions[0] as string, hostile.versions.slice(1))).to.equal(true)
  })
})
