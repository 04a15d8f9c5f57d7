import { readFileSync } from 'node:fs'
import { expect } from 'chai'

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))

/** Where node would look for `name` from the package at `path`, nearest first. */
function places(path, name) {
  const found = []
  for (let at = path; ; at = at.replace(/(^|\/)(?:(?!node_modules(\/|$))[^/]+\/?)*$/, '').replace(/\/?node_modules$/, '')) {
    found.push(at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`)
    if (at === '') return found
  }
}

describe('the lock file', () => {
  it('names no address of a registry', () => {
    const addresses = Object.values(packages).filter((entry) => /^[a-z+]+:\/\//.test(entry.resolved ?? ''))
    expect(addresses).to.deep.equal([])
  })

  it('has the optional dependencies for every platform, without which npm ci refuses it elsewhere', () => {
    const missing = Object.entries(packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter((name) => !places(path, name).some((place) => packages[place] !== undefined))
    )
    expect(missing).to.deep.equal([])
  })
})
