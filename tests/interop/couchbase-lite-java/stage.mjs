// What the suites share: a witness, directories that vanish, and listeners of ours that end with their test.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareWitness } from './prepare.mjs'
import { OurSide } from './our-side.mjs'
import { Witness } from './witness.mjs'

/** To be called inside `describe`; the properties are there while its tests run. */
export function useStage() {
  const ends = []
  let home
  let count = 0
  const stage = {
    /** Couchbase Lite, shared by the tests of this suite. */
    witness: undefined,
    /** A new, empty directory. */
    directory() {
      const directory = join(home, `directory-${++count}`)
      mkdirSync(directory)
      return directory
    },
    /** A database of the witness that no other test uses. */
    theirs() {
      return stage.witness.database(`database-${++count}`)
    },
    /** A database of ours behind a listener; see OurSide.open. Closed after the test. */
    async ours({ directory = stage.directory(), ...settings } = {}) {
      const ours = await OurSide.open(directory, settings)
      stage.onEnd(() => ours.close())
      return ours
    },
    /** Runs after the test, the last one first. */
    onEnd(end) {
      ends.push(end)
    }
  }

  before(async function () {
    this.timeout(600_000)
    await prepareWitness()
    home = mkdtempSync(join(tmpdir(), 'kithmesh-witness-'))
    stage.witness = new Witness(stage.directory())
  })
  afterEach(async () => {
    for (const end of ends.splice(0).reverse()) await end()
  })
  after(async () => {
    await stage.witness?.end()
    if (home !== undefined) rmSync(home, { recursive: true, force: true })
  })
  return stage
}
