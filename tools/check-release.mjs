// A release, as far as it goes without publishing: changesets turns what lies in .changeset into versions, in a copy, and what comes out is
// compared with what was asked for; then npm publishes every package in the order of their dependencies, as a dry run and without a network.
// changesets 3 needs Node 22; both are installed below temp/, pinned in tools/release and tools/nodes. Needs a built checkout.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { installNodes } from './lib/node-versions.mjs'
import { publishOrder, readChangeset, releaseProblems, wantedBumps } from './lib/release-plan.mjs'
import { root, run, runNpm } from './lib/run.mjs'
import { sideInstall } from './lib/side-install.mjs'
import { workspaceFolders } from './lib/specs.mjs'

const byName = (packages) => Object.fromEntries(packages.map(({ manifest }) => [manifest.name, manifest]))

function readChangesets(folder) {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => {
      try {
        return readChangeset(readFileSync(join(folder, file), 'utf8'))
      } catch (error) {
        throw new Error(`.changeset/${file}: ${error.message}`)
      }
    })
}

/** Copies what changesets looks at: manifests, changesets and the lock file, in a repository of its own. */
async function copyTo(folder) {
  const folders = [...workspaceFolders('packages'), ...workspaceFolders('examples')]
  for (const path of ['package.json', 'package-lock.json', '.changeset', ...folders.map((one) => join(one, 'package.json'))])
    cpSync(join(root, path), join(folder, path), { recursive: true })
  const git = ['-c', 'user.name=release', '-c', 'user.email=release@localhost', '-c', 'commit.gpgsign=false']
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['add', '-A'],
    [...git, 'commit', '-q', '-m', 'all']
  ]) {
    const { code, text } = await run('git', args, { cwd: folder, output: 'collect' })
    if (code !== 0) throw new Error(`git ${args.join(' ')} failed: ${text}`)
  }
}

async function versions(folder) {
  const node = (await installNodes()).find(({ major }) => Number(major) >= 22)
  const program = join(await sideInstall('release'), 'node_modules', '@changesets', 'cli', 'bin.js')
  for (const verb of ['status', 'version']) {
    const { code, text } = await run(node.node, [program, verb], { cwd: folder, output: 'collect' })
    if (code !== 0) throw new Error(`changeset ${verb} failed:\n${text}`)
  }
  const left = readdirSync(join(folder, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md')
  if (left.length > 0) throw new Error(`changeset version left ${left.join(', ')}`)
  return publishedPackages().map(({ folder: path }) => ({ manifest: JSON.parse(readFileSync(join(folder, path, 'package.json'), 'utf8')) }))
}

/** Without a registry: whether npm would take the package, not whether the registry has the version already. */
async function dryRun({ folder, manifest }) {
  const args = ['publish', '--dry-run', '--ignore-scripts', '--json', '--registry', 'http://127.0.0.1:9', '--fetch-retries', '0']
  const { code, text } = await runNpm(args, { cwd: join(root, folder), output: 'collect' })
  return code === 0 ? [] : [`npm publish of ${manifest.name} would fail:\n${text.slice(-2000)}`]
}

await main(async () => {
  const packages = publishedPackages()
  const changesets = readChangesets(join(root, '.changeset'))
  mkdirSync(join(root, 'temp'), { recursive: true })
  const folder = mkdtempSync(join(root, 'temp', 'release-'))
  try {
    await copyTo(folder)
    const before = byName(packages)
    const after = byName(await versions(folder))
    const problems = releaseProblems(before, after, wantedBumps(changesets))
    const order = publishOrder(after)
    for (const name of order) problems.push(...(await dryRun(packages.find(({ manifest }) => manifest.name === name))))
    for (const name of order) console.log(`${name} ${before[name].version} becomes ${after[name].version}`)
    for (const problem of problems) console.log(problem)
    if (problems.length > 0) return 1
    console.log(`${changesets.length} changesets make a release of ${order.length} packages, which npm would publish in this order`)
    return 0
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
