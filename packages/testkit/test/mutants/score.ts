import { expect } from 'chai'
import { collect, failures } from '@kithmesh/testkit'
import type { Runner } from '@kithmesh/testkit'

export interface ScoredMutant {
  /** Path of a check that must catch it; the other checks of the same group are run, too. */
  readonly caughtBy: string
  readonly suite: (runner: Runner) => void
}

/** A check outside of all groups is one of its own. */
const groupOf = (path: string): string => path.split(' > ', 1)[0] ?? path

/**
 * Declares a test for each mutant, one that every group of checks catches one, and prints the score at the end.
 * @param controls the suite over the subject that the mutants are made of, and over reduced variants; none where not every group has a mutant
 */
export function describeMutants(
  title: string,
  mutants: Readonly<Record<string, ScoredMutant>>,
  controls: readonly ((runner: Runner) => void)[]
): void {
  describe(`mutants: ${title}`, () => {
    const caught = new Map<string, readonly string[]>()

    for (const [name, { caughtBy, suite }] of Object.entries(mutants)) {
      it(`one that ${name}`, async () => {
        const outcomes = await collect(suite, { match: (path) => groupOf(path) === groupOf(caughtBy) })
        expect(outcomes.length, `there is no group ${groupOf(caughtBy)}`).to.be.greaterThan(0)
        const failed = failures(outcomes)
        if (failed.length > 0) caught.set(name, failed)
        expect(failed).to.include(caughtBy)
      })
    }

    const everyGroup = controls.length > 0 ? it : undefined
    everyGroup?.('every group of checks catches one', async () => {
      const groups = new Set<string>()
      for (const control of controls)
        await collect(control, {
          match(path) {
            groups.add(groupOf(path))
            return false
          }
        })
      const catching = new Set([...caught.values()].flatMap((paths) => paths.map(groupOf)))
      expect([...groups].filter((group) => !catching.has(group))).to.deep.equal([])
    })

    after(() => {
      const total = Object.keys(mutants).length
      process.stdout.write(`    mutation score: ${caught.size} / ${total} (${title})\n`)
      const escaped = Object.keys(mutants).filter((name) => !caught.has(name))
      if (escaped.length > 0) throw new Error(`not caught: ${escaped.join('; ')}`)
    })
  })
}
