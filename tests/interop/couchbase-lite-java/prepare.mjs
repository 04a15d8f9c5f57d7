// Brings the witness into being under target/: its jars, the library that stands in for ICU 54, and our compiled program. Nothing of it is committed.
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const target = join(here, 'target')
const libs = join(target, 'libs')
const classes = join(target, 'classes')
const native = join(target, 'native')
const start = promisify(execFile)

async function tool(command, args, packages) {
  try {
    return await start(command, args, { cwd: here, maxBuffer: 1 << 24, timeout: 300_000 })
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error(`${command} is missing; on Debian: apt-get install ${packages}`)
    throw new Error(`${command} ${args.join(' ')} failed: ${error.stdout ?? ''}${error.stderr ?? error.message}`)
  }
}

function newer(product, source) {
  return existsSync(product) && statSync(product).mtimeMs > statSync(source).mtimeMs
}

async function fetchJars() {
  const pom = join(here, 'pom.xml')
  if (existsSync(libs) && newer(libs, pom) && readdirSync(libs).length >= 3) return
  rmSync(libs, { recursive: true, force: true })
  for (let attempt = 1; ; attempt += 1) {
    try {
      await tool('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${libs}`], 'maven default-jdk-headless')
      return
    } catch (error) {
      if (attempt === 3) throw error
    }
  }
}

async function buildNative() {
  const source = join(here, 'native', 'icu54.c')
  if (newer(join(native, 'libicuuc.so.54'), source)) return
  mkdirSync(native, { recursive: true })
  for (const name of ['libicui18n', 'libicudata']) {
    await tool(
      'cc',
      ['-shared', '-o', join(native, `${name}.so.54`), `-Wl,-soname,${name}.so.54`, '-x', 'c', '/dev/null'],
      'build-essential'
    )
  }
  const library = join(native, 'libicuuc.so.54')
  await tool(
    'cc',
    ['-shared', '-fPIC', '-O1', '-o', library, '-Wl,-soname,libicuuc.so.54', source, '-licui18n', '-licuuc'],
    'build-essential libicu-dev'
  )
}

async function compile() {
  const folder = join(here, 'src')
  const sources = readdirSync(folder).map((name) => join(folder, name))
  if (sources.every((source) => newer(join(classes, 'Witness.class'), source))) return
  rmSync(classes, { recursive: true, force: true })
  mkdirSync(classes, { recursive: true })
  await tool('javac', ['-encoding', 'UTF-8', '-d', classes, '-cp', join(libs, '*'), ...sources], 'default-jdk-headless')
}

/** Resolves once the witness can be started. Rejects with the reason, and the Debian package, when it cannot be had here. */
export async function prepareWitness() {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw new Error('the Linux library of Couchbase Lite Java is for x86-64 only')
  await fetchJars()
  await buildNative()
  await compile()
}

/** How to start the witness on a directory: `{ command, args, options }` for `spawn`. `properties` are Java's system properties. */
export function witnessProgram(directory, properties = {}) {
  const settings = Object.entries(properties).map(([name, value]) => `-D${name}=${value}`)
  return {
    command: 'java',
    args: [...settings, '-cp', [join(libs, '*'), classes].join(':'), 'Witness', directory],
    options: { cwd: directory, env: { ...process.env, LD_LIBRARY_PATH: native, LC_ALL: 'C.UTF-8' } }
  }
}
