import { expect } from 'chai'
import fc from 'fast-check'
import { ForceLayout, type LayoutEdge, type LayoutNode, project } from '../dist/page/layout.js'

const star = (count: number): { nodes: LayoutNode[]; edges: LayoutEdge[] } => ({
  nodes: [{ id: 'self', fixed: true }, ...Array.from({ length: count }, (_, index) => ({ id: `peer ${index}` }))],
  edges: Array.from({ length: count }, (_, index) => ({ from: 'self', to: `peer ${index}` }))
})

const placesOf = (layout: ForceLayout, nodes: readonly LayoutNode[]): { x: number; y: number }[] =>
  nodes.map(({ id }) => layout.position(id)!)
const distance = (a: { x: number; y: number }, b: { x: number; y: number }): number => Math.hypot(a.x - b.x, a.y - b.y)

describe('the layout of the graph', () => {
  it('is the same for the same graph', () => {
    const { nodes, edges } = star(9)
    const [one, other] = [new ForceLayout(), new ForceLayout()]
    for (const layout of [one, other]) {
      layout.update(nodes, edges)
      layout.settle()
    }
    expect(placesOf(one, nodes)).to.deep.equal(placesOf(other, nodes))
  })

  it('comes to rest, with this device in the middle and nobody on top of another', () => {
    for (const count of [1, 2, 7, 40]) {
      const { nodes, edges } = star(count)
      const layout = new ForceLayout()
      layout.update(nodes, edges)
      layout.settle()
      expect(layout.settled, `${count} devices`).to.equal(true)
      expect(layout.position('self')).to.deep.equal({ x: 0, y: 0 })
      const places = placesOf(layout, nodes)
      for (const [index, place] of places.entries())
        for (const other of places.slice(index + 1)) expect(distance(place, other), `${count} devices`).to.be.greaterThan(20)
    }
  })

  it('keeps neighbours closer than strangers, and what has no edge within sight', () => {
    const nodes = ['a', 'b', 'c', 'd', 'e', 'f', 'alone'].map((id) => ({ id, fixed: id === 'a' }))
    const edges = [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
      ['a', 'd'],
      ['d', 'e'],
      ['d', 'f'],
      ['e', 'f']
    ].map(([from, to]) => ({ from: from!, to: to! }))
    const layout = new ForceLayout()
    layout.update(nodes, edges)
    layout.settle()
    const at = (id: string): { x: number; y: number } => layout.position(id)!
    expect(distance(at('e'), at('f'))).to.be.lessThan(distance(at('e'), at('b')))
    expect(distance(at('b'), at('c'))).to.be.lessThan(distance(at('b'), at('f')))
    expect(distance(at('alone'), at('a'))).to.be.lessThan(600)
  })

  it('moves what is there only a little when a device comes, and puts that beside its neighbour', () => {
    const { nodes, edges } = star(5)
    const layout = new ForceLayout()
    layout.update(nodes, edges)
    layout.settle()
    const before = placesOf(layout, nodes)
    expect(layout.update(nodes, edges)).to.equal(false)
    expect(layout.update([...nodes, { id: 'new' }], [...edges, { from: 'peer 0', to: 'new' }])).to.equal(true)
    expect(distance(layout.position('new')!, layout.position('peer 0')!)).to.be.lessThan(100)
    expect(placesOf(layout, nodes)).to.deep.equal(before)
    layout.settle()
    for (const [index, place] of placesOf(layout, nodes).entries()) expect(distance(place, before[index]!)).to.be.lessThan(200)
    layout.update(nodes, edges)
    expect(layout.position('new')).to.equal(undefined)
  })

  it('puts nobody onto a line between two others', () => {
    const nodes = ['w', 's', 't', 'o', 'v', 'x'].map((id) => ({ id, fixed: id === 'w' }))
    const edges = ['ws', 'wt', 'wo', 'st', 'so', 'vs', 'vo', 'xs', 'xo', 'xv'].map((pair) => ({ from: pair[0]!, to: pair[1]! }))
    const layout = new ForceLayout()
    layout.update(nodes, edges)
    layout.settle()
    for (const { from, to } of edges) {
      const [a, b] = [layout.position(from)!, layout.position(to)!]
      for (const { id } of nodes) {
        if (id === from || id === to) continue
        const place = layout.position(id)!
        const along = Math.min(1, Math.max(0, ((place.x - a.x) * (b.x - a.x) + (place.y - a.y) * (b.y - a.y)) / distance(a, b) ** 2))
        const foot = { x: a.x + along * (b.x - a.x), y: a.y + along * (b.y - a.y) }
        expect(distance(place, foot), `${id} and the line from ${from} to ${to}`).to.be.greaterThan(15)
      }
    }
  })

  it('takes any graph: unknown ends, loops, doubles, many on one spot', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 3 }), { maxLength: 25 }),
        fc.array(fc.tuple(fc.string({ maxLength: 3 }), fc.string({ maxLength: 3 })), { maxLength: 40 }),
        (ids, pairs) => {
          const nodes = [...new Set(ids)].map((id, index) => ({ id, fixed: index === 0 }))
          const layout = new ForceLayout()
          layout.update(
            nodes,
            pairs.map(([from, to]) => ({ from, to }))
          )
          layout.settle(60)
          const { x, y, width, height } = layout.bounds(10)
          expect([x, y, width, height].every(Number.isFinite)).to.equal(true)
          for (const place of placesOf(layout, nodes))
            expect(place.x >= x && place.x <= x + width && place.y >= y && place.y <= y + height).to.equal(true)
        }
      ),
      { numRuns: 60 }
    )
  })

  it('is shown in the middle of its space, whole, and not blown up', () => {
    const box = { x: -100, y: -50, width: 200, height: 100 }
    for (const [width, height] of [
      [800, 300],
      [300, 800],
      [100, 40]
    ] as const) {
      const { scaleX, scaleY, x, y } = project(box, width, height, 1.7)
      expect(Math.max(scaleX, scaleY)).to.be.at.most(1.7)
      expect(box.x * scaleX + x).to.be.at.least(-0.001)
      expect((box.x + box.width) * scaleX + x).to.be.at.most(width + 0.001)
      expect(box.y * scaleY + y).to.be.at.least(-0.001)
      expect((box.y + box.height) * scaleY + y).to.be.at.most(height + 0.001)
      expect(x).to.be.closeTo(width / 2, 0.001)
      expect(y).to.be.closeTo(height / 2, 0.001)
    }
    expect(project({ x: 0, y: 0, width: 0, height: 0 }, 100, 100, 1.7).scaleX).to.equal(1.7)
  })
})
