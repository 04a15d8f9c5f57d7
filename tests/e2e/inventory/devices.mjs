// Devices of the inventory for tests: the program that starts three, or single ones, each test's in a group and a directory of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../support/eventually.mjs'
import { noteProcess } from '../../../tools/lib/processes.mjs'

const program = (name) => fileURLToPath(new URL(`../../../examples/inventory/dist/${name}.js`, import.meta.url))
export const people = ['alice', 'bob', 'carol']
const deviceOf = { alice: 'Warehouse', bob: 'Shop', carol: 'Office' }
/** As it is called in the list of listeners. */
export const listenerOf = (person) => `${deviceOf[person]} (${person})`

let groups = 0

/** For a `describe`: starts devices, and ends them and removes their directories when a test is over. */
export function useDevices() {
  let directory
  let started = []

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kithmesh-inventory-'))
  })
  afterEach(async () => {
    const programs = started
    started = []
    for (const { child } of programs) if (child.exitCode === null) child.kill('SIGINT')
    await Promise.all(programs.map(async ({ ended }) => await ended))
    await rm(directory, { recursive: true, force: true })
  })

  /** Runs a program of the example; `output` and `errors` grow. */
  function run(name, args, { input = 'ignore' } = {}) {
    const child = spawn(process.execPath, [program(name), ...args], { detached: true, stdio: [input, 'pipe', 'pipe'] })
    noteProcess(child, `${name}.js ${args.join(' ')}`)
    const one = { child, output: '', errors: '', ended: once(child, 'close').then(([code, signal]) => signal ?? code) }
    child.stdout.on('data', (data) => {
      one.output += data
    })
    child.stderr.on('data', (data) => {
      one.errors += data
    })
    started.push(one)
    return one
  }

  /** The three devices with the addresses of their pages. */
  async function three(...options) {
    const group = `inventory-test-${process.pid}-${++groups}`
    const one = run('main', ['--dir', directory, '--group', group, '--no-open', ...options])
    await eventually('the three pages to be there', () => one.output.includes('Ctrl-C') || one.child.exitCode !== null)
    if (one.child.exitCode !== null) throw new Error(`it ended: ${one.errors}`)
    const urls = [...one.output.matchAll(/http:\S+/g)].map(([url]) => url)
    return { run: one, child: one.child, ended: one.ended, urls: Object.fromEntries(people.map((person, index) => [person, urls[index]])) }
  }

  /** One device whose user is logged in, with the address of its page. */
  async function one(user) {
    const args = ['--name', 'Till', '--directory', join(directory, 'till'), '--group', `inventory-test-${process.pid}-${++groups}`]
    const device = run('peer', [...args, '--log-in', user], { input: 'pipe' })
    device.child.stdin.end('password\n')
    await eventually('the page to be there', () => device.output.includes('http:') || device.child.exitCode !== null)
    if (device.child.exitCode !== null) throw new Error(`it ended: ${device.errors}`)
    return { run: device, url: /http:\S+/.exec(device.output)[0] }
  }

  return {
    run,
    one,
    three,
    get directory() {
      return directory
    }
  }
}
