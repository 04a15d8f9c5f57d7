import { expect } from 'chai'
import { chooseSuites } from '../lib/node-versions.mjs'
import { suites } from '../lib/specs.mjs'

describe('what is left out on other versions of Node', () => {
  const all = [
    {
      name: 'packages/a',
      files: ['packages/a/dist-test/one.spec.js', 'packages/a/dist-test/deep/two.spec.js', 'packages/a/dist-test/deep.spec.js']
    }
  ]

  it('is a file, or all of a folder', () => {
    expect(chooseSuites(all, ['a/one']).chosen[0].files).to.deep.equal(all[0].files.slice(1))
    expect(chooseSuites(all, ['a/deep/two']).chosen[0].files).to.deep.equal([all[0].files[0], all[0].files[2]])
    expect(chooseSuites(all, ['a/deep']).chosen[0].files).to.deep.equal([all[0].files[0]])
  })

  it('is told when it is not there', () => {
    expect(chooseSuites(all, ['a/one', 'a/on', 'b']).unknown).to.deep.equal(['a/on', 'b'])
  })

  it('is there', () => {
    expect(chooseSuites(suites()).unknown).to.deep.equal([])
  })
})
