import { expect } from 'chai'
import { compareSizes, installedWith } from '../lib/package-sizes.mjs'

describe('package sizes', () => {
  const one = { name: 'a', packed: 9 * 1024, unpacked: 30 * 1024, packages: 2 }
  const budget = { packedKiB: 10, unpackedKiB: 31, packages: 2 }
  const texts = (found, budgets) => compareSizes(found, budgets).map(({ text }) => text)

  it('say nothing within their budgets', () => {
    expect(texts([one], { a: budget })).to.deep.equal([])
  })

  it('tell each way to be beyond them', () => {
    expect(texts([{ ...one, packed: 11 * 1024 }], { a: budget })).to.deep.equal(['a is 11 KiB packed, and may be 10'])
    expect(texts([{ ...one, unpacked: 31 * 1024 + 1 }], { a: budget })).to.deep.equal(['a is 32 KiB unpacked, and may be 31'])
    expect(texts([{ ...one, packages: 3 }], { a: budget })).to.deep.equal(['a brings 3 packages with it, and may bring 2'])
  })

  it('tell of budgets that are missing, left over or much too large', () => {
    expect(texts([one], {})).to.deep.equal(['a has no budget'])
    expect(texts([one], { a: budget, b: budget })).to.deep.equal(['b has a budget, and is not published'])
    expect(texts([{ ...one, packed: 4 * 1024 }], { a: budget })).to.have.lengthOf(1)
    expect(texts([{ ...one, packages: 1 }], { a: budget })).to.have.lengthOf(1)
  })

  it('count what is installed with a package: nested, shared, linked and peers, without optional peers and itself', () => {
    const lock = {
      'packages/a': {
        dependencies: { b: '1', x: '1' },
        peerDependencies: { p: '1', o: '1' },
        peerDependenciesMeta: { o: { optional: true } }
      },
      'packages/b': { dependencies: { x: '2' }, peerDependencies: { a: '1' } },
      'node_modules/a': { resolved: 'packages/a', link: true },
      'node_modules/b': { resolved: 'packages/b', link: true },
      'packages/b/node_modules/x': { version: '2' },
      'node_modules/x': { version: '1', dependencies: { y: '1' } },
      'node_modules/y': {},
      'node_modules/p': {},
      'node_modules/o': {}
    }
    expect([...installedWith('packages/a', lock)]).to.have.members([
      'packages/b',
      'node_modules/x',
      'node_modules/p',
      'node_modules/y',
      'packages/b/node_modules/x'
    ])
  })
})
