import { expect } from 'chai'
import { graphOf, nodeTowards, prefixFinder } from '../dist/page/graph-model.js'
import { away, device, pageState, peerId, topologyNode } from './support/page-states.ts'

describe('the graph of the page', () => {
  it('has this device, the linked ones, those that are only seen, and those that others know', () => {
    const { nodes } = graphOf(
      pageState([device('shop'), device('till', { ...away, state: 'standby' }), device('gone', { ...away, state: 'offline' })], {
        topology: [topologyNode('self', ['shop']), topologyNode('shop', ['self', 'till']), topologyNode('attic', ['till'], false)]
      })
    )
    expect(nodes.map(({ name, kind, reached }) => [name, kind, reached])).to.deep.equal([
      ['self', 'self', true],
      ['shop', 'linked', true],
      ['attic', 'known', false],
      ['till', 'seen', false],
      ['gone', 'seen', false]
    ])
  })

  it('draws its own links from what it knows itself, and those of others from what they say', () => {
    const { edges } = graphOf(
      pageState([device('shop'), device('van', { ...away, state: 'connecting' }), device('till', { ...away, state: 'standby' })], {
        topology: [
          topologyNode('self', ['shop', 'van', 'till']),
          topologyNode('shop', ['self', 'till']),
          // Both ends tell of it; it is one line.
          topologyNode('till', ['shop', 'self']),
          topologyNode('van', ['nobody', 'van'])
        ]
      })
    )
    expect(edges.map(({ from, to, kind }) => [from, to, kind])).to.deep.equal([
      [peerId('self'), peerId('shop'), 'link'],
      [peerId('self'), peerId('van'), 'attempt'],
      [peerId('shop'), peerId('till'), 'far']
    ])
  })

  it('finds neighbours by the beginnings of their ids, unless these fit several', () => {
    const [a, b, c] = ['1234567890abcdef', '1234567890abcdee', 'ffff567890abcdef'].map((text) => text.padEnd(64, '0')) as [
      string,
      string,
      string
    ]
    const find = prefixFinder([a, b, c])
    expect(find(c.slice(0, 16))).to.equal(c)
    expect(find(a.slice(0, 16))).to.equal(a)
    expect(find(a.slice(0, 12))).to.equal(undefined)
    expect(find('ffff')).to.equal(undefined)
    expect(find('0000000000000000')).to.equal(undefined)
    expect(find('fffff67890abcdef')).to.equal(undefined)
    expect(prefixFinder(['ws://a'])('ws://a')).to.equal('ws://a')
  })

  it('names a device that has no name by its id, and shows hostile names as they are', () => {
    const { nodes } = graphOf(
      pageState([device('x', { displayName: '' }), device('y', { displayName: '<img src=x onerror=alert(1)>\u202E' })])
    )
    expect(nodes.map(({ name }) => name)).to.deep.equal(['self', peerId('x').slice(0, 8), '<img src=x onerror=alert(1)>·'])
  })

  it('remembers what a device was called that only others know of now', () => {
    const state = pageState([], { topology: [{ ...topologyNode('gone'), displayName: null }] })
    expect(graphOf(state, (id) => (id === peerId('gone') ? 'Old laptop' : undefined)).nodes.map(({ name }) => name)).to.include(
      'Old laptop'
    )
  })

  it('leads from node to node by arrow keys', () => {
    const others = [
      { id: 'right', x: 100, y: 10 },
      { id: 'further right', x: 300, y: 0 },
      { id: 'above', x: 20, y: -200 },
      { id: 'below', x: -60, y: 80 }
    ]
    const from = { x: 0, y: 0 }
    expect(nodeTowards(from, 'right', others)).to.equal('right')
    expect(nodeTowards(from, 'up', others)).to.equal('above')
    expect(nodeTowards(from, 'down', others)).to.equal('below')
    expect(nodeTowards({ x: -100, y: -300 }, 'left', others)).to.equal(undefined)
  })
})
