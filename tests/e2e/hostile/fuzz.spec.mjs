// A short run of the fuzzer (tests/fuzz) on fixed seeds. FUZZ_SEED=<number> takes another one.
import { fuzz } from '../../fuzz/fuzzer.mjs'
import { targets } from '../../fuzz/targets/index.mjs'

const seed = Number(process.env.FUZZ_SEED ?? 20261121)
const RUNS = {
  passive: 1500,
  active: 1200,
  'passive-vectors': 1500,
  'active-vectors': 1200,
  frames: 6000,
  'ble-abandonware': 2000,
  'ble-stoprocent': 2000
}
const RUNS_OF_CODECS = 15_000

describe('hostile input, generated', function () {
  this.timeout(300_000)
  for (const [name, target] of Object.entries(targets))
    it(`is refused or taken, and does no harm: ${name}`, async () => {
      await fuzz(target, { seed, enough: (runs) => runs >= (RUNS[name] ?? RUNS_OF_CODECS) })
    })
})
