// `npm run sim -- scenario NAME`: one of the scenarios, at any size.
import { parseArgs } from 'node:util'
import { scenarios } from './scenarios.mjs'

const usage = `Usage: npm run sim -- scenario NAME [options]

Scenarios in virtual time; what does not hold is an error.

${Object.keys(scenarios)
  .map((name) => `  "${name}"\n`)
  .join('')}
  --peers N      --documents N      default as the scenario says
  --hours N      of the soak (default 24)
  --blob-bytes N of the scenarios with blobs
  --versioning V rev-trees (default) or version-vectors
  --seed S       (default 1)
`

/** @returns the exit code */
export async function scenario(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      peers: { type: 'string' },
      documents: { type: 'string' },
      hours: { type: 'string' },
      'blob-bytes': { type: 'string' },
      versioning: { type: 'string', default: 'rev-trees' },
      seed: { type: 'string', default: '1' },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const name = positionals.join(' ')
  if (!Object.hasOwn(scenarios, name)) throw new Error(`there is no scenario "${name}"; there are: ${Object.keys(scenarios).join(', ')}`)
  const { peers, documents, hours, 'blob-bytes': blobBytes, versioning, seed } = values
  const numbers = Object.fromEntries(
    Object.entries({ peers, documents, hours, blobBytes }).flatMap(([key, value]) => (value === undefined ? [] : [[key, Number(value)]]))
  )
  const startedAt = performance.now()
  const found = await scenarios[name]({ seed, versioning, ...numbers })
  process.stdout.write(`${name}: well, ${JSON.stringify(found)}, ${((performance.now() - startedAt) / 1000).toFixed(1)} s\n`)
  return 0
}
