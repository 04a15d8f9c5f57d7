import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { collect, describePeerDiscoveryProvider } from '@kithmesh/testkit'
import { memoryHarness } from './memory-harness.ts'

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}.js`, import.meta.url))

function run(argv: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const { NODE_TEST_CONTEXT: _context, ...env } = process.env
  return new Promise((resolve) => {
    const child = execFile(process.execPath, argv, { env, timeout: 50_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, output: stdout + stderr })
    })
  })
}

describe('runners', () => {
  it('node:test runs the suites unchanged', async () => {
    const { code, output } = await run(['--test', '--test-reporter=tap', fixture('node-runner')])
    expect(code, output).to.equal(0)
    expect(Number(/^# pass (\d+)/m.exec(output)?.[1])).to.be.greaterThan(200)
    expect(Number(/^# fail (\d+)/m.exec(output)?.[1])).to.equal(0)
  })
  it('collect runs as many tests as node:test and mocha', async () => {
    const outcomes = await collect((runner) => {
      describePeerDiscoveryProvider('memory', memoryHarness(), runner)
    })
    expect(outcomes.length).to.be.greaterThan(90)
    expect(outcomes.filter(({ state }) => state !== 'passed' && state !== 'omitted')).to.deep.equal([])
    expect(new Set(outcomes.map(({ path }) => path)).size).to.equal(outcomes.length)
  })
  it('the mocha hook fails a test that leaves a rejected promise behind', async () => {
    const mocha = join(dirname(createRequire(import.meta.url).resolve('mocha/package.json')), 'bin', 'mocha.js')
    const hook = fileURLToPath(import.meta.resolve('@kithmesh/testkit/mocha'))
    const { code, output } = await run([mocha, '--no-config', '--require', hook, fixture('unheard-rejection')])
    expect(code).to.equal(1)
    expect(output).to.contain('a promise was rejected with nobody listening')
  })
})
