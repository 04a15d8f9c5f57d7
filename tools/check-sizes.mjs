// What a user gets with each package: the bytes of the tarball, packed and unpacked, and the number of packages that npm installs with it, its
// own not counted. Compared with the budgets of tools/package-sizes.json; a package that became larger fails.
//   node tools/check-sizes.mjs             compares
//   node tools/check-sizes.mjs --write     writes budgets with room for a fifth more, for every package that has none or is beyond it
// Needs a built checkout.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { compareSizes, installedWith } from './lib/package-sizes.mjs'
import { root, runNpm } from './lib/run.mjs'

const budgetFile = join(root, 'tools', 'package-sizes.json')
const room = 1.2

async function measure() {
  const packages = publishedPackages()
  const args = ['pack', '--dry-run', '--json', '--silent', '--ignore-scripts', ...packages.flatMap(({ folder }) => ['--workspace', folder])]
  const { code, text } = await runNpm(args, { output: 'collect' })
  if (code !== 0) throw new Error(`npm pack failed: ${text}`)
  const listed = Object.values(JSON.parse(text.slice(text.search(/^[[{]/m))))
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return packages.map(({ folder, manifest }) => {
    const { size, unpackedSize } = listed.find(({ name }) => name === manifest.name)
    return { name: manifest.name, packed: size, unpacked: unpackedSize, packages: installedWith(folder, lock).size }
  })
}

const kibibytes = (bytes) => Math.ceil((bytes * room) / 1024)

await main(async () => {
  const found = await measure()
  const budgets = existsSync(budgetFile) ? JSON.parse(readFileSync(budgetFile, 'utf8')) : {}
  const problems = compareSizes(found, budgets)
  if (process.argv.includes('--write')) {
    const wrong = new Set(problems.map(({ name }) => name))
    const kept = found.map(({ name, packed, unpacked, packages }) => [
      name,
      wrong.has(name) ? { packedKiB: kibibytes(packed), unpackedKiB: kibibytes(unpacked), packages } : budgets[name]
    ])
    writeFileSync(budgetFile, `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`)
    console.log(`${wrong.size} budgets changed in tools/package-sizes.json`)
    return 0
  }
  console.log('package                          packed KiB   unpacked KiB   packages with it')
  for (const { name, packed, unpacked, packages } of found)
    console.log(
      [
        name.padEnd(30),
        (packed / 1024).toFixed(0).padStart(12),
        (unpacked / 1024).toFixed(0).padStart(14),
        String(packages).padStart(18)
      ].join(' ')
    )
  for (const { text } of problems) console.log(text)
  if (problems.length === 0) return 0
  console.log('When this is meant: node tools/check-sizes.mjs --write, and commit tools/package-sizes.json with the reason in the message.')
  return 1
})
