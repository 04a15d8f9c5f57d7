import { readFileSync } from 'node:fs'
import { expect } from 'chai'

const { packages } = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))

/** Where node would look for `name` from the package at `path`, nearest first: beside it, and beside every folder above. */
function places(path, name) {
  const parts = path === '' ? [] : path.split('/')
  const folders = Array.from({ length: parts.length + 1 }, (_, count) => parts.slice(0, parts.length - count))
  return folders.filter((folder) => folder.at(-1) !== 'node_modules').map((folder) => [...folder, 'node_modules', name].join('/'))
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
