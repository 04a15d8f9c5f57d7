import { expect } from 'chai'
import type { IncomingMessage } from '@kithmesh/blip'
import { defaultWinner } from '../dist/protocol/conflict-resolver.js'
import { parseChanges, parseProposals, parseRev } from '../dist/protocol/messages.js'
import { vectorVersioning } from '../dist/protocol/vector-versioning.js'
import { treeVersioning } from '../dist/protocol/versioning.js'
import { compatibleProtocols } from '../dist/sub-protocols.js'

const [ONE, TWO, THREE, FOUR] = [
  'AAECAwQFBgcICQoLDA0ODw',
  'CydEP/CaRXquiahQgvS49A',
  'e/DdGzA5RcahoD4KDV5yWg',
  'ggHnVHNuTWmhwIveZJ+Vyw'
] as [string, string, string, string]

const raw = (body: string): IncomingMessage => ({ properties: {}, body: Buffer.from(body) }) as unknown as IncomingMessage

const message = (body: unknown): IncomingMessage => raw(JSON.stringify(body))

describe('version vectors on the wire', () => {
  it('names revisions by a version, a whole vector or an id from before there were vectors', () => {
    expect(vectorVersioning.revIdOf(`18e9e3a484c80000@${TWO}`)).to.equal(`18e9e3a484c80000@${TWO}`)
    expect(vectorVersioning.revIdOf(`5@${ONE}; 3@${TWO}`)).to.equal(`5@${ONE}`)
    expect(vectorVersioning.revIdOf(`5@${ONE}, 4@${TWO}, 3@${THREE};`)).to.equal(`5@${ONE}`)
    expect(vectorVersioning.revIdOf('2-abcd')).to.equal('2-abcd')
    for (const text of ['', '5@*', `*@${ONE}`, `05@${ONE}`, `5A@${ONE}`, `5@${ONE.slice(1)}`, `5@${ONE}=`, `@${ONE}`, '2-', 'x-abcd'])
      expect(vectorVersioning.revIdOf(text), text).to.equal(undefined)
  })

  it('takes the history apart into merge versions, previous ones and ids of trees', () => {
    const [a, b, c] = [`5@${ONE}`, `4@${TWO}`, `3@${THREE}`] as [string, string, string]
    expect(vectorVersioning.parseHistory(a, undefined)).to.deep.equal({ history: [], merges: 0 })
    expect(vectorVersioning.parseHistory(a, `${b}, ${c}`)).to.deep.equal({ history: [b, c], merges: 0 })
    expect(vectorVersioning.parseHistory(a, `${b},${c};`)).to.deep.equal({ history: [b, c], merges: 2 })
    expect(vectorVersioning.parseHistory(a, `${b}, 3@${ONE}; ${c}`)).to.deep.equal({ history: [b, `3@${ONE}`, c], merges: 2 })
    expect(vectorVersioning.parseHistory(a, `${b}, 2-ab, 1-cd`)).to.deep.equal({ history: [b, '2-ab', '1-cd'], merges: 0 })
    expect(vectorVersioning.parseHistory(a, '2-ab')).to.deep.equal({ history: ['2-ab'], merges: 0 })
    expect(vectorVersioning.parseHistory('3-ef', '1-cd')).to.deep.equal({ history: ['1-cd'], merges: 0 })
    for (const text of [`${b}; ${c};`, `${b}, ${b}`, `${b}, x`, '5@*', `2-ab, ${b}`, `${b},,${c}`, `3@${ONE}`])
      expect(vectorVersioning.parseHistory(a, text), text).to.equal(undefined)
    expect(vectorVersioning.parseHistory('3-ef', b)).to.equal(undefined)
  })

  it('writes what it reads', () => {
    for (const [history, text] of [
      [[`4@${TWO}`], `4@${TWO}`],
      [[`4@${TWO}`, '2-ab', '1-cd'], `4@${TWO}, 2-ab, 1-cd`]
    ] as const)
      expect(vectorVersioning.formatHistory({ revId: `5@${ONE}`, history }, new Set(), 1)).to.equal(text)
    const merged = { revId: `5@${ONE}`, history: [`4@${TWO}`, `3@${THREE}`, `2@${FOUR}`], merges: 2 }
    expect(vectorVersioning.formatHistory(merged, new Set(), 1)).to.equal(`4@${TWO}, 3@${THREE}; 2@${FOUR}`)
  })

  it('knows whether a revision was made with knowledge of another', () => {
    const ours = { revId: `5@${ONE}`, history: [`3@${TWO}`, '2-ab'] }
    for (const theirs of [`5@${ONE}`, `2@${ONE}`, `3@${TWO}`, `1@${TWO}`, '2-ab'])
      expect(vectorVersioning.descendsFrom(ours, theirs), theirs).to.equal(true)
    for (const theirs of [`6@${ONE}`, `4@${TWO}`, `1@${THREE}`, '3-ab', `10@${ONE}`])
      expect(vectorVersioning.descendsFrom(ours, theirs), theirs).to.equal(false)
  })

  it('takes only sequences that are what the peer wrote', () => {
    for (const [text, sequence] of [
      ['0', '0'],
      ['9007199254740991', '9007199254740991'],
      ['"9007199254740993"', '"9007199254740993"']
    ])
      expect(parseChanges(raw(`[[${text},"x","5@${ONE}"]]`), vectorVersioning, 10)[0]).to.include({ sequence })
    for (const text of ['9007199254740993', '1e21', '1e999', '-1', '1.5', 'null', '[1]'])
      expect(() => parseChanges(raw(`[[${text},"x","5@${ONE}"]]`), vectorVersioning, 10), text).to.throw('has no sequence')
  })

  it('reads lists with whole vectors in them, and revisions without', () => {
    expect(parseChanges(message([[3, 'x', `5@${ONE}; 3@${TWO}`, 0, 8]]), vectorVersioning, 10)[0]).to.include({
      id: 'x',
      revId: `5@${ONE}`
    })
    expect(parseProposals(message([['x', `5@${ONE}; 3@${TWO}`, `3@${TWO}; 1@${THREE}`]]), vectorVersioning, 10)[0]).to.include({
      revId: `5@${ONE}; 3@${TWO}`,
      parentRevId: `3@${TWO}; 1@${THREE}`
    })
    const properties = { id: 'x', rev: `5@${ONE}`, history: `4@${TWO}, 3@${THREE};`, sequence: '1' }
    expect(parseRev(properties, vectorVersioning)).to.include({ revId: `5@${ONE}`, merges: 2 })
    expect(() => parseRev({ ...properties, rev: `5@${ONE}; 3@${TWO}` }, vectorVersioning)).to.throw('invalid revision ID')
    expect(() => parseRev({ ...properties, history: '5@*' }, vectorVersioning)).to.throw('invalid history')
  })

  it('refuses versions where there are trees with an error that says so', () => {
    expect(() => parseProposals(message([['x', `5@${ONE}`]]), treeVersioning, 10)).to.throw('Incompatible document versioning')
    expect(() => parseProposals(message([['x', '1-ab', `5@${ONE}`]]), treeVersioning, 10)).to.throw('Incompatible document versioning')
    expect(() => parseProposals(message([['x', '1-xy']]), treeVersioning, 10)).to.throw('invalid revision ID')
  })
})

describe('the default decision between versions', () => {
  const side = (revId: string, deleted = false): { revId: string; deleted: boolean } => ({ revId, deleted })
  it('takes a deletion, else the later time', () => {
    expect(defaultWinner(side(`10@${ONE}`), side(`f@${TWO}`))).to.equal('local')
    expect(defaultWinner(side(`f@${ONE}`), side(`10@${TWO}`))).to.equal('remote')
    expect(defaultWinner(side(`10@${ONE}`), side(`f@${TWO}`, true))).to.equal('remote')
    expect(defaultWinner(side(`f@${ONE}`, true), side(`10@${TWO}`, true))).to.equal('remote')
  })
  it('is the same on both sides when the times are equal', () => {
    const [one, two] = [side(`f@${ONE}`), side(`f@${TWO}`)]
    expect(defaultWinner(one, two)).to.not.equal(defaultWinner(two, one))
  })
})

describe('sub-protocols that a database can speak', () => {
  it('are as Couchbase Lite offers them', () => {
    expect(compatibleProtocols('rev-trees', { pulls: true })).to.deep.equal(['BLIP_3+CBMobile_3'])
    expect(compatibleProtocols('rev-trees', { pulls: false })).to.deep.equal(['BLIP_3+CBMobile_4', 'BLIP_3+CBMobile_3'])
    for (const pulls of [true, false])
      expect(compatibleProtocols('version-vectors', { pulls, legacy: true })).to.deep.equal(['BLIP_3+CBMobile_4'])
    expect(compatibleProtocols('rev-trees', { pulls: true, legacy: true })).to.deep.equal(['BLIP_3+CBMobile_3', 'BLIP_3+CBMobile_2'])
  })
})
