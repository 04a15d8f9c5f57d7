// Bundles every public entry with esbuild, as applications do, and runs the result.
//   - whole: the entry and all it depends on in one file, run where no node_modules is: nothing is loaded that a bundle cannot have;
//   - beside: the package's own files in one file, other packages left outside;
//   - unused: a program that imports the entry and uses nothing of it must come out empty, and loading the entry must leave no timer, handle,
//     listener or global behind: that is what `sideEffects` in package.json promises.
// A bundle must export what the entry exports. `node tools/check-bundles.mjs [SPECIFIER…]`. Needs a built checkout.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { publicEntries, publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { root, run } from './lib/run.mjs'

/** Optional and native: a bundle finds them beside it or does without. */
const optional = ['better-sqlite3', 'bufferutil', 'utf-8-validate', '@stoprocent/*', '@abandonware/*', '*.node']

/** Globals that dependencies define: the helpers of tslib (through tsyringe and the certificate library), one of mqtt's. */
const foreignGlobals = '/^(__[a-zA-Z]+|regeneratorRuntime)$/'

/** What is tried with a bundle beyond loading it: a function body over `entry`, with `assert`. */
const smokes = {
  '@kithmesh/core': `
    const key = { peerGroupId: 'com.example.bundle', localPeerId: 'a1'.repeat(32) }
    assert.throws(() => entry.createPeerDiscovery({ ...key, providers: [], transports: [] }), { name: 'KithmeshError' })`,
  '@kithmesh/identity': `
    const identity = await entry.createIdentity({ commonName: 'bundle' })
    assert.match(identity.peerId, /^[0-9a-f]{64}$/)`,
  '@kithmesh/blip/wire': `
    const bytes = new entry.FrameEncoder().encode(1, entry.REQUEST, entry.propertiesBlock('greeting', { from: 'me' }), Buffer.from('{}'))
    assert.equal(new entry.FrameDecoder().decode(bytes).number, 1)`
}

const shared = { bundle: true, write: true, platform: 'node', format: 'esm', target: 'node20', logLevel: 'silent', absWorkingDir: root }
// Dependencies in CommonJS ask for Node's modules by require, which a bundle in ESM has to be given.
const withRequire = { js: "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);" }

const fileOf = (entry, kind) => `${entry.name}.${kind}.mjs`

/** What esbuild says against a bundle; everything else is passed on. */
const complaints = (specifier, kind, error) => {
  if (!Array.isArray(error?.errors)) throw error
  return error.errors.map(({ text, location }) => `${specifier}, ${kind}: ${text} (${location?.file}:${location?.line})`)
}

async function bundle(entry, kind, folder, options) {
  try {
    await build({ ...shared, entryPoints: [join(root, entry.code)], outfile: join(folder, fileOf(entry, kind)), ...options })
    return []
  } catch (error) {
    return complaints(entry.specifier, kind, error)
  }
}

/** The code that is left of a program that imports an entry for nothing. */
async function unused(entry) {
  const contents = `import * as unused from '${entry.specifier}'\n`
  const stdin = { contents, resolveDir: root, loader: 'js' }
  let result
  try {
    result = await build({ ...shared, write: false, external: optional, stdin })
  } catch (error) {
    return complaints(entry.specifier, 'unused', error)
  }
  const code = result.outputFiles[0].text.replace(/^\/\/.*$/gm, '').trim()
  return code === ''
    ? []
    : [`${entry.specifier}: an import that is not used leaves ${code.length} characters in a bundle: ${code.slice(0, 200)}`]
}

/** A program that loads modules one after the other and prints, as JSON, what each exports, fails with, or leaves behind. */
const loader = `
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
const results = []
const foreign = ${foreignGlobals}
const globals = () => Reflect.ownKeys(globalThis).map(String).filter((name) => !foreign.test(name)).sort().join()
const listeners = () => process.eventNames().map((name) => String(name) + process.listenerCount(name)).sort().join()
// Files that the loader reads, and streams of the process itself, are nobody's doing.
const resources = () => process.getActiveResourcesInfo().filter((name) => !['CloseReq', 'FSReqPromise', 'FSReqCallback', 'PipeWrap', 'TTYWrap'].includes(name)).sort().join()
const state = () => ({ globals: globals(), listeners: listeners(), resources: resources() })
for (const { specifier, url, smoke } of JSON.parse(readFileSync(process.argv[2], 'utf8'))) {
  const before = state()
  try {
    const entry = await import(url)
    const after = state()
    const left = Object.keys(before)
      .map((key) => [key, after[key].split(',').filter((one) => !before[key].split(',').includes(one))])
      .filter(([, added]) => added.length > 0)
      .map(([key, added]) => key + ': ' + added.join(' '))
    if (smoke !== undefined) await new (Object.getPrototypeOf(async () => {}).constructor)('entry', 'assert', smoke)(entry, assert)
    results.push({ specifier, names: Object.keys(entry).sort(), left })
  } catch (error) {
    results.push({ specifier, error: String(error?.stack ?? error).split('\\n').slice(0, 4).join(' | ') })
  }
}
console.log('\\n' + JSON.stringify(results))
process.exit()
`

async function load(folder, modules) {
  writeFileSync(join(folder, 'loader.mjs'), loader)
  writeFileSync(join(folder, 'modules.json'), JSON.stringify(modules))
  const args = ['--no-warnings', join(folder, 'loader.mjs'), join(folder, 'modules.json')]
  const { code, text } = await run(process.execPath, args, { cwd: folder, output: 'collect', timeoutMs: 120_000 })
  if (code !== 0) throw new Error(`loading the bundles ended with ${code}:\n${text}`)
  return new Map(JSON.parse(text.trim().split('\n').at(-1)).map((result) => [result.specifier, result]))
}

function compare(kind, expected, found) {
  return [...expected.values()].flatMap(({ specifier, names }) => {
    const result = found.get(specifier)
    if (result === undefined) return []
    if (result.error !== undefined) return [`${specifier}, ${kind}: ${result.error}`]
    const missing = names.filter((name) => !result.names.includes(name))
    return missing.length === 0 ? [] : [`${specifier}, ${kind}: the bundle does not export ${missing.join(', ')}`]
  })
}

await main(async () => {
  const named = process.argv.slice(2)
  const entries = publicEntries().filter(({ specifier }) => named.length === 0 || named.includes(specifier))
  const workspace = publishedPackages().flatMap(({ manifest }) => [manifest.name, `${manifest.name}/*`])
  mkdirSync(join(root, 'temp'), { recursive: true })
  // Away from the checkout: a module is looked for in every node_modules above.
  const apart = mkdtempSync(join(tmpdir(), 'kithmesh-bundles-'))
  const inside = mkdtempSync(join(root, 'temp', 'bundles-'))
  const problems = []
  try {
    for (const entry of entries) {
      problems.push(
        ...(await bundle(entry, 'whole', apart, { external: optional, banner: withRequire })),
        ...(await bundle(entry, 'beside', inside, { external: [...optional, ...workspace], banner: withRequire })),
        ...(await unused(entry))
      )
    }
    if (problems.length === 0) {
      const originals = await load(
        inside,
        entries.map(({ specifier, code }) => ({ specifier, url: pathToFileURL(join(root, code)).href }))
      )
      for (const { specifier, error, left } of originals.values()) {
        if (error !== undefined) problems.push(`${specifier} cannot be loaded: ${error}`)
        else if (left.length > 0) problems.push(`${specifier} does something when it is imported: ${left.join('; ')}`)
      }
      const modules = (folder, kind) =>
        entries.map((entry) => ({
          specifier: entry.specifier,
          url: pathToFileURL(join(folder, fileOf(entry, kind))).href,
          smoke: smokes[entry.specifier]
        }))
      problems.push(...compare('whole', originals, await load(apart, modules(apart, 'whole'))))
      problems.push(...compare('beside', originals, await load(inside, modules(inside, 'beside'))))
    }
    for (const problem of problems) console.log(problem)
    if (problems.length > 0) return 1
    const bytes = entries.map((entry) => readFileSync(join(apart, fileOf(entry, 'whole'))).length)
    console.log(
      `${entries.length} entries bundle and run; the largest has ${Math.round(Math.max(...bytes) / 1024)} KiB, unminified, with all it needs`
    )
    return 0
  } finally {
    rmSync(apart, { recursive: true, force: true })
    rmSync(inside, { recursive: true, force: true })
  }
})
