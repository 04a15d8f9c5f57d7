import { expect } from 'chai'
import { caretTakes, levelBetween, publishOrder, readChangeset, releaseProblems, wantedBumps } from '../lib/release-plan.mjs'

describe('a release', () => {
  it('is read from changesets, the highest bump of each package', () => {
    const one = readChangeset('---\n\'a\': minor\n"@s/b": patch\n---\n\nText.\n')
    expect(one).to.deep.equal({ a: 'minor', '@s/b': 'patch' })
    expect(wantedBumps([one, { a: 'patch', '@s/b': 'minor' }])).to.deep.equal({ a: 'minor', '@s/b': 'minor' })
    expect(() => readChangeset('Text')).to.throw(/between two ---/)
    expect(() => readChangeset("---\n'a': huge\n---\n")).to.throw(/huge/)
  })

  it('knows which versions a range takes', () => {
    expect([
      caretTakes('^0.1.0', '0.1.4'),
      caretTakes('^0.1.0', '0.2.0'),
      caretTakes('^1.2.0', '1.3.0'),
      caretTakes('^1.2.0', '1.1.9')
    ]).to.deep.equal([true, false, true, false])
    expect([caretTakes('^0.0.1', '0.0.1'), caretTakes('^0.0.1', '0.0.2'), caretTakes('*', '1.0.0')]).to.deep.equal([true, false, false])
    expect([levelBetween('0.1.0', '0.1.0'), levelBetween('0.1.0', '0.2.0'), levelBetween('0.1.0', '1.0.0')]).to.deep.equal([
      'none',
      'minor',
      'major'
    ])
  })

  const before = { core: { version: '0.1.0' }, plugin: { version: '0.1.0', peerDependencies: { core: '^0.1.0' } } }
  const versions = (version, plugin, range) => ({ core: { version }, plugin: { version: plugin, peerDependencies: { core: range } } })

  it('is well when packages get what they asked for, and others follow', () => {
    expect(releaseProblems(before, versions('0.2.0', '0.1.1', '^0.2.0'), { core: 'minor' })).to.deep.equal([])
  })

  it('is not with a major version, another bump, a range that was left behind, or a package that is missed', () => {
    expect(releaseProblems(before, versions('0.2.0', '1.0.0', '^0.2.0'), { core: 'minor' })[0]).to.match(/plugin would become 1\.0\.0/)
    expect(releaseProblems(before, versions('0.1.1', '0.1.1', '^0.1.0'), { core: 'minor' })[0]).to.match(/core would get a patch/)
    expect(releaseProblems(before, versions('0.2.0', '0.1.1', '^0.1.0'), { core: 'minor' })[0]).to.match(
      /core \^0\.1\.0 in its peerDependencies/
    )
    expect(releaseProblems({ fresh: { version: '0.0.0' } }, { fresh: { version: '0.0.0' } }, {})[0]).to.match(/never released/)
    expect(releaseProblems(before, before, { gone: 'patch' })[0]).to.match(/gone, which is not published/)
  })

  it('has an order, and no circles', () => {
    expect(publishOrder({ a: { dependencies: { c: '1' } }, b: {}, c: { peerDependencies: { b: '1' } } })).to.deep.equal(['b', 'c', 'a'])
    expect(() => publishOrder({ a: { dependencies: { b: '1' } }, b: { dependencies: { a: '1' } } })).to.throw(/a needs b needs a/)
  })
})
