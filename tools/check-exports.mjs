// Packs every published package as npm would and looks at what a user would get: every entry of `exports` and `bin` is in the tarball, nothing of
// the tests is, and publint and attw (for ESM) find nothing wrong. `node tools/check-exports.mjs [FOLDER…]`. Needs a built checkout.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join, posix } from 'node:path'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { root, runNpm, runTool } from './lib/run.mjs'

const mustBeIn = ['package.json', 'README.md', 'LICENSE']
const mustNotBeIn = [/(^|\/)dist-test\//, /^test\//, /\.tsbuildinfo$/, /^tsconfig/, /(^|\/)node_modules\//]

/** The files that package.json promises, relative to the package. */
function promised(manifest) {
  const targets = (value) => (typeof value === 'string' ? [value] : Object.values(value ?? {}).flatMap(targets))
  return [...new Set([...targets(manifest.exports), ...targets(manifest.bin)].map((path) => posix.normalize(path)))]
}

async function pack(folder, destination) {
  const { code, text } = await runNpm(['pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', destination], {
    cwd: join(root, folder),
    output: 'collect'
  })
  if (code !== 0) throw new Error(`npm pack failed in ${folder}: ${text}`)
  const listed = JSON.parse(text.slice(text.search(/^[[{]/m)))
  const [entry] = Array.isArray(listed) ? listed : Object.values(listed)
  return { tarball: join(destination, entry.filename), files: entry.files.map((file) => file.path) }
}

async function problemsOf({ folder, manifest }, destination) {
  const { tarball, files } = await pack(folder, destination)
  const problems = []
  for (const path of [...mustBeIn, ...promised(manifest)]) if (!files.includes(path)) problems.push(`${path} is not in the package`)
  for (const path of files) if (mustNotBeIn.some((pattern) => pattern.test(path))) problems.push(`${path} does not belong in the package`)
  for (const program of Object.values(manifest.bin ?? {})) {
    if (!readFileSync(join(root, folder, program), 'utf8').startsWith('#!/usr/bin/env node\n'))
      problems.push(`${program} does not begin with #!/usr/bin/env node`)
  }
  const data = readFileSync(tarball)
  const packed = data.buffer.slice(data.byteOffset, data.byteOffset + data.length)
  const { messages, pkg } = await publint({ level: 'warning', pack: { tarball: packed } })
  for (const message of messages) problems.push(`publint: ${formatMessage(message, pkg, { color: false })}`)
  const types = await runTool(
    'node_modules/@arethetypeswrong/cli/dist/index.js',
    [tarball, '--profile', 'esm-only', '--no-color', '--no-emoji', '--format', 'ascii'],
    { output: 'collect' }
  )
  if (types.code !== 0) problems.push(`attw:\n${types.text}`)
  return problems
}

await main(async () => {
  const named = process.argv.slice(2)
  const packages = publishedPackages().filter(({ folder }) => named.length === 0 || named.includes(folder))
  mkdirSync(join(root, 'temp'), { recursive: true })
  const destination = mkdtempSync(join(root, 'temp', 'pack-'))
  let failed = 0
  try {
    for (const entry of packages) {
      const problems = await problemsOf(entry, destination)
      for (const problem of problems) console.log(`${entry.folder}: ${problem}`)
      failed += problems.length
    }
  } finally {
    rmSync(destination, { recursive: true, force: true })
  }
  if (failed === 0) console.log(`${packages.length} packages export what they promise`)
  return failed === 0 ? 0 : 1
})
