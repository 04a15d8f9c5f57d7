// Directories of several devices that hold the same, or come to.
import { expect } from 'chai'
import { databaseDifferences, untilEqual } from './database-differences.mjs'
import { done, look } from './kithmesh.mjs'

/** Waits until all hold the same, blobs and all. */
export async function waitUntilEqual(first, ...others) {
  for (const other of others) await look(first, (a) => look(other, (b) => untilEqual(() => databaseDifferences(a, b))))
}

/** All hold the same, blobs and all, say so, and are intact; resolves with the number of documents. */
export async function expectEqual(first, ...others) {
  const exported = await done(['export', first, '--revisions'])
  for (const other of others) {
    expect(await done(['export', other, '--revisions'])).to.equal(exported)
    expect(await look(first, (a) => look(other, (b) => databaseDifferences(a, b)))).to.deep.equal([])
  }
  for (const directory of [first, ...others]) await look(directory, (database) => database.checkIntegrity())
  return exported.split('\n').filter((line) => line !== '').length
}
