// The command, in processes of its own.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from '../../tools/lib/run.mjs'

const cli = fileURLToPath(new URL('cli.mjs', import.meta.url))
const sim = (...args) => run(process.execPath, [cli, ...args], { output: 'collect', input: 'ignore', timeoutMs: 300_000 })

describe('npm run sim', () => {
  let directory
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'kithmesh-sim-'))
  })
  afterEach(() => {
    rmSync(directory, { recursive: true })
  })

  it('prints figures as JSON, the same in every process but for time and memory', async () => {
    const args = ['mesh', '--peers', '20', '--docs', '50', '--seed', '9', '--vanish', '30', '--json', '--quiet']
    const lines = await Promise.all([sim(...args), sim(...args)])
    const [one, other] = lines.map(({ code, text }) => {
      assert.equal(code, 0, text)
      const { wallSeconds, peakRssMegabytes, ...rest } = JSON.parse(text)
      assert.ok(wallSeconds > 0 && peakRssMegabytes > 0)
      return rest
    })
    assert.deepEqual(one, other)
    assert.equal(one.converged, true)
    assert.deepEqual(Object.keys(one).slice(0, 4), ['converged', 'virtualSeconds', 'transfersPerDocumentAndPeer', 'degree'])
    assert.deepEqual(Object.keys(one.degree), ['min', 'median', 'max'])
  })

  it('prints a table and draws the links', async () => {
    const file = join(directory, 'mesh.svg')
    const { code, text } = await sim('mesh', '--peers', '10', '--docs', '10', '--svg', file, '--quiet')
    assert.equal(code, 0, text)
    assert.match(text, /10 peers, 10 documents\n\n {2}converged +yes, after [\d.]+ s of virtual time\n/)
    const svg = readFileSync(file, 'utf8')
    assert.equal(svg.match(/<circle /g).length, 10)
    assert.ok(svg.match(/<line /g).length >= 10)
  })

  it('plays random schedules and scenarios, and says how to play a seed again', async () => {
    const random = await sim('random', '--seed', '3', '--count', '2')
    assert.equal(random.code, 0, random.text)
    assert.match(random.text, /2 schedules, all well/)
    const scenario = await sim('scenario', 'documents of one', '--peers', '5')
    assert.equal(scenario.code, 0, scenario.text)
  })

  it('explains itself, and what is wrong with its options', async () => {
    for (const args of [['--help'], ['mesh', '--help'], ['random', '--help'], ['scenario', '--help']]) {
      const { code, text } = await sim(...args)
      assert.equal(code, 0)
      assert.match(text, /^Usage: npm run sim -- /)
    }
    for (const args of [[], ['cloud'], ['mesh', '--peers', 'many'], ['mesh', '--wheels', '4'], ['scenario', 'none']]) {
      const { code, text } = await sim(...args)
      assert.equal(code, 1, `${args.join(' ')}: ${text}`)
    }
    assert.match((await sim('mesh', '--peers', '0')).text, /--peers takes a whole number from 1/)
  })

  it('fails when peers do not become equal', async () => {
    const { code, text } = await sim('mesh', '--peers', '10', '--docs', '5', '--limit', '1', '--latency', '3000-4000', '--json', '--quiet')
    assert.equal(code, 1)
    assert.equal(JSON.parse(text).converged, false)
  })
})
