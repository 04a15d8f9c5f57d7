// `npm run fuzz -- [--minutes N] [--target NAME]… [--seed N] [--corpus DIRECTORY]` feeds mutated input to what a peer can reach, following the
// coverage, for as long as it is told; `--target NAME --input HEX` repeats what a failure printed. Needs a built checkout; sends nothing anywhere.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzz } from './fuzzer.mjs'
import { targets } from './targets/index.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    input: { type: 'string' },
    corpus: { type: 'string' }
  }
})

const chosen = values.target === undefined ? Object.values(targets) : values.target.map((name) => targets[name])
if (chosen.includes(undefined)) throw new Error(`there are the targets ${Object.keys(targets).join(', ')}`)

function kept(name) {
  if (values.input !== undefined) return [Buffer.from(values.input, 'hex')]
  const folder = values.corpus === undefined ? undefined : join(values.corpus, name)
  return folder === undefined || !existsSync(folder) ? [] : readdirSync(folder).map((file) => readFileSync(join(folder, file)))
}

function keep(name, inputs) {
  if (values.corpus === undefined) return
  mkdirSync(join(values.corpus, name), { recursive: true })
  for (const input of inputs) writeFileSync(join(values.corpus, name, createHash('sha1').update(input).digest('hex')), input)
}

const seed = Number(values.seed)
for (const target of chosen) {
  const until = Date.now() + (Number(values.minutes) * 60_000) / chosen.length
  const inputs = kept(target.name)
  const enough = values.input === undefined ? (runs) => Date.now() > until && runs >= inputs.length : (runs) => runs >= 1
  try {
    const { runs, corpus, covered } = await fuzz(target, { seed, enough, inputs, guided: values.input === undefined })
    keep(target.name, corpus)
    console.log(`${target.name}: ${runs} runs, ${corpus.length} inputs kept, ${covered ?? 'no'} blocks reached (seed ${seed})`)
  } catch (error) {
    console.error(error)
    process.exitCode = 1
  }
}
