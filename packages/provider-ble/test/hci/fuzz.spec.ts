import fc from 'fast-check'
import type { BleLibrary } from '../../dist/library/libraries.js'
import { choicesOf, HostileRadio } from './support/hostile-radio.ts'

const RUNS = 150

describe('a host in a storm of malformed packets', () => {
  for (const library of ['abandonware', 'stoprocent'] satisfies BleLibrary[]) {
    it(`goes on serving a good peer: ${library}`, async () => {
      const radio = new HostileRadio(library)
      await radio.start()
      try {
        await fc.assert(
          fc.asyncProperty(fc.uint8Array({ minLength: 10, maxLength: 300 }), async (bytes) => {
            await radio.play(choicesOf(bytes))
          }),
          { numRuns: RUNS, endOnFailure: true }
        )
      } finally {
        await radio.stop()
      }
    })
  }
})
