import { expect } from 'chai'
import fc from 'fast-check'
import { freshnessOf, retryDelay } from '../dist/page/freshness.js'
import { differingKeys, layOutJson } from '../dist/page/json-lines.js'
import { formatRoute, justBefore, parseRoute, type Route } from '../dist/page/router.js'

/** The layout as text again. */
const textOf = (value: unknown): string =>
  layOutJson(value)
    .lines.map(({ depth, tokens }) => '  '.repeat(depth) + tokens.map(({ text }) => text).join(''))
    .join('\n')

describe('documents on the page', () => {
  it('are laid out as JSON that is still the same JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const same = JSON.parse(JSON.stringify(value)) as unknown
        expect(JSON.parse(textOf(same))).to.deep.equal(same)
      })
    )
    expect(textOf({ a: 1, b: [], c: {}, d: [true, 'x'] })).to.equal(JSON.stringify({ a: 1, b: [], c: {}, d: [true, 'x'] }, null, 2))
  })

  it('are cut where they are long, deep or full of text, and say so', () => {
    const long = layOutJson(Array.from({ length: 10_000 }, (_, index) => index))
    expect(long.cut).to.equal(true)
    expect(long.lines).to.have.length(2000)
    let deep: unknown = 1
    for (let level = 0; level < 50_000; level++) deep = [deep]
    const { cut, lines } = layOutJson(deep)
    expect(cut).to.equal(true)
    expect(lines.length).to.be.lessThan(200)
    expect(layOutJson('x'.repeat(100_000)).lines[0]?.tokens.map(({ kind }) => kind)).to.deep.equal(['string', 'cut'])
    expect(layOutJson({ a: [1] }).cut).to.equal(false)
  })

  it('in conflict are compared member by member, whatever the order', () => {
    expect([...differingKeys({ a: 1, b: { x: 1, y: 2 }, c: [1] }, { b: { y: 2, x: 1 }, a: 2, d: null, c: [1] })].sort()).to.deep.equal([
      'a',
      'd'
    ])
    expect([...differingKeys({ a: 1 }, null)]).to.deep.equal(['a'])
    expect([...differingKeys([1], [2])]).to.deep.equal([])
  })
})

describe('addresses within the page', () => {
  it('lead back to where they were made, for any id', () => {
    const text = fc.string({ minLength: 1, unit: 'binary' })
    const routes: fc.Arbitrary<Route> = fc.oneof(
      fc.constant<Route>({ view: 'overview' }),
      fc.constant<Route>({ view: 'activity' }),
      fc.constant<Route>({ view: 'documents' }),
      text.map((device): Route => ({ view: 'overview', device })),
      fc.tuple(text, text).map(([collection, document]): Route => ({ view: 'documents', collection, document }))
    )
    fc.assert(
      fc.property(routes, (route) => {
        expect(parseRoute(formatRoute(route))).to.deep.equal(route)
      })
    )
  })

  it('can be made of texts that are no Unicode', () => {
    expect(formatRoute({ view: 'overview', device: 'a\ud800b' })).to.equal('#/device/a%EF%BF%BDb')
  })

  it('that make no sense show the mesh', () => {
    expect(['', '#', '#/', '#/nonsense/x', '#main'].map(parseRoute)).to.deep.equal(new Array(5).fill({ view: 'overview' }))
    expect(parseRoute('#/documents/%E0%A4%A/x')).to.deep.equal({ view: 'documents', collection: '%E0%A4%A', document: 'x' })
  })

  it('start a list at an id, where it exists or not', () => {
    const bytes = (value: string): Buffer => Buffer.from(value)
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'binary' }), (id) => {
        const before = justBefore(id)
        expect(Buffer.compare(bytes(before), bytes(id))).to.equal(-1)
        // What lies between is below the id's last character, whatever it is.
        expect(bytes(before).toString()).to.equal(before)
      })
    )
    expect(justBefore('item:b')).to.equal('item:a\u{10ffff}')
    expect(justBefore('')).to.equal('')
  })
})

describe('the freshness of the page', () => {
  const facts = { now: 100_000, lastHeard: 100_000, connected: true, signedOut: false }

  it('is live while the stream is open and something is heard now and then', () => {
    expect(freshnessOf(facts)).to.deep.equal({ is: 'live' })
    expect(freshnessOf({ ...facts, lastHeard: 80_000 })).to.deep.equal({ is: 'live' })
    expect(freshnessOf({ ...facts, lastHeard: 50_000 })).to.deep.equal({ is: 'stale', forMs: 50_000 })
  })

  it('says since when nothing is known, after a moment of grace', () => {
    expect(freshnessOf({ ...facts, connected: false, lastHeard: 99_000 })).to.deep.equal({ is: 'reconnecting' })
    expect(freshnessOf({ ...facts, connected: false, lastHeard: 90_000 })).to.deep.equal({ is: 'stale', forMs: 10_000 })
    expect(freshnessOf({ ...facts, signedOut: true })).to.deep.equal({ is: 'signed-out' })
  })

  it('is sought again ever more slowly, but not too slowly', () => {
    expect([0, 1, 2, 3, 4, 5, 100].map(retryDelay)).to.deep.equal([500, 1000, 2000, 4000, 8000, 15_000, 15_000])
  })
})
