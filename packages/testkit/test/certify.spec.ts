import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { certificationMarkdown, certify } from '@kithmesh/testkit/certify'
import type { CertificationReport, CertifiedCheck } from '@kithmesh/testkit/certify'
import { rejection } from '@kithmesh/testkit'

const plugin = (name: string): string => fileURLToPath(new URL(`../test/plugins/${name}`, import.meta.url))
const failed = (report: CertificationReport): string[] => report.checks.filter(({ state }) => state === 'failed').map(({ name }) => name)
const find = (report: CertificationReport, name: string): CertifiedCheck => {
  const check = report.checks.find((each) => each.name === name)
  if (check === undefined) throw new Error(`${name} is not in the report`)
  return check
}

function run(argv: readonly string[]): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, argv, { timeout: 50_000 }, (_error, out, err) => {
      resolve({ code: child.exitCode, out, err })
    })
  })
}

describe('certify', () => {
  it('certifies a good package, with every check by name, capabilities and versions', async () => {
    const told: string[] = []
    const report = await certify(plugin('good'), {
      onCheck: ({ name }) => {
        told.push(name)
      }
    })
    expect(report.checks.filter(({ state }) => state === 'failed')).to.deep.equal([])
    expect(report).to.include({ package: 'kithmesh-good', failed: 0 })
    expect(report.passed + report.skipped).to.equal(report.checks.length)
    expect(told).to.deep.equal(report.checks.map(({ name }) => name))
    expect(new Set(report.checks.map(({ suite, subject, name }) => `${suite} ${subject} ${name}`)).size).to.equal(told.length)
    expect(report.capabilities['provider good']).to.include({ publishes: true, metadataUpdates: false })
    expect(report.capabilities['transport good road']).to.deep.equal({ listens: true, relayed: false })
    expect(report.versions).to.include({ plugin: '1.2.3', node: process.versions.node, platform: `${process.platform}-${process.arch}` })
    expect(report.versions.core).to.match(/^\d+\.\d+\.\d+/)
    expect(report.versions.testkit).to.match(/^\d+\.\d+\.\d+/)
  })

  it('says what is wrong with a package, and what importing it does', async () => {
    const report = await certify(plugin('bad'), { suites: ['package'], timeoutMs: 10_000 })
    expect(failed(report)).to.deep.equal([
      'package.json > has a name and a version',
      'package.json > has a licence',
      'package.json > has core as a peer dependency only',
      'package.json > says which Node it needs',
      'exports > are declared, and every file is there',
      'exports > are ES modules',
      'exports > come with types',
      'exports > export by name',
      'import > works',
      'import > opens no handle and starts no timer',
      'import > reads no environment variable',
      'import > adds nothing to the globals',
      'import > listens to nothing of the process',
      'import > writes nothing',
      'import > neither ends the process nor keeps it alive'
    ])
    expect(find(report, 'import > reads no environment variable').reason).to.match(/ HOME, BAD_PLUGIN_QUIET$/)
    expect(find(report, 'import > works').reason).to.contain('./gone: ')
  })

  it('survives a plugin that ends, blocks, spoils and pollutes its process, and names the check it did it in', async () => {
    const report = await certify(plugin('bad'), { suites: ['provider'], grep: /carries the group|never finds itself/, timeoutMs: 2500 })
    expect(failed(report)).to.deep.equal([
      'groups > carries the group "a"',
      'groups > carries the group "com.example."',
      'groups > carries the group "Läden & Söhne"',
      'process > writes nothing to standard output',
      'process > can end once everything is shut down'
    ])
    expect(find(report, 'groups > carries the group "a"').reason).to.contain('the process ended with exit code 7')
    expect(find(report, 'groups > carries the group "com.example."').reason).to.contain('the process was stuck')
    expect(find(report, 'groups > carries the group "Läden & Söhne"').reason).to.contain('thrown by nobody in particular')
    expect(find(report, 'process > writes nothing to standard output').reason).to.match(/look, I can print\\n" during "groups > carries/)
    expect(find(report, 'process > can end once everything is shut down').reason).to.match(
      /^still open: 1 × Timeout \(since "groups > carries/
    )
    expect(find(report, 'publishing > never finds itself (publish first)').state).to.equal('passed')
    expect(report.passed).to.be.greaterThan(3)
  })

  it('reports a module that offers no harness, or cannot be loaded, as a failed check', async () => {
    const report = await certify(plugin('unloadable'), { suites: ['provider'] })
    expect(failed(report)).to.deep.equal(['harnesses > can be loaded'])
    expect(report.checks[0]?.reason).to.contain('providers["empty"] has no factory')
  })

  for (const [what, said] of [
    ['array', 'providers must be a record of harnesses by label: export const providers = { label: harness }'],
    ['uncreated', 'providers["uncreated"] has no create()'],
    ['misnamed', 'is exported with a harness; there is provider']
  ] as const)
    it(`says what is wrong with harnesses (${what})`, async () => {
      const report = await certify(plugin(`harness-${what}`), { suites: ['provider'] })
      expect(failed(report)).to.deep.equal(['harnesses > can be loaded'])
      expect(report.checks[0]?.reason).to.contain(said)
    })

  it('says what the machines did until a check failed, and which error has no code', async () => {
    const report = await certify(plugin('silent'), {
      suites: ['provider'],
      grep: /online once started|^resolveUrl > rejects an unknown id with a code when new/
    })
    expect(failed(report)).to.deep.equal([
      'browse lifecycle > reports online once started and offline once stopped',
      'resolveUrl > rejects an unknown id with a code when new'
    ])
    const [status, error] = report.checks.filter(({ state }) => state === 'failed').map(({ reason }) => reason ?? '')
    expect(status).to.contain("call statusChanged('browse', { state: 'online' }) once, before the start resolves")
    expect(status).to.contain('Until then:\n  machine 1 reported browse starting × 2; logged "no luck" (because)')
    expect(error).to.contain('rejected with an error that has no code: "Error: whatever". Make it with defineErrors or coreErrors')
  })

  it('says at once on standard error what fails, and the same words once in the report', async () => {
    const words = [plugin('silent'), '--suite', 'provider', '--grep', 'rejects an unknown id with a code when (new|browsing)$']
    const { code, out, err } = await run([fileURLToPath(new URL('../bin/kithmesh-certify.js', import.meta.url)), ...words])
    expect(code).to.equal(1)
    expect(err).to.match(/^failed: provider silent > resolveUrl > rejects an unknown id with a code when new: resolveUrl rejected with/)
    expect(out.match(/an error that has no code/g)).to.have.lengthOf(1)
    expect(out).to.match(/In the same way:\n\n {2}- \*\*provider silent > resolveUrl/)
  })

  it('rejects where there is no package, nothing to check, or the signal has aborted', async () => {
    expect((await rejection(certify(plugin('nowhere')))).code).to.equal('ERR_CERTIFY_PACKAGE')
    expect((await rejection(certify(plugin('good'), { suites: ['storage-engine'] }))).code).to.equal('ERR_CERTIFY_NOTHING')
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const running = certify(plugin('good'), {
      signal: controller.signal,
      onCheck: () => {
        controller.abort(reason)
      }
    })
    expect(await rejection(running)).to.equal(reason)
  })

  it('is a program of its own, too, for plugins that have no other use for the command line', async () => {
    const [program, good] = [fileURLToPath(new URL('../bin/kithmesh-certify.js', import.meta.url)), plugin('good')]
    const words = [
      [good, '--suite', 'package', '--json'],
      [good, '--suite', 'everything']
    ]
    const [json, misused] = await Promise.all(words.map((each) => run([program, ...each])))
    expect(json, json?.err).to.deep.include({ code: 0, err: '' })
    expect(json?.out).to.match(/^\{"passed":\d+,"failed":0,"checks":\[\{.*\}\n$/)
    expect(misused).to.deep.include({ code: 2, out: '' })
    expect(misused?.err).to.contain('everything is no suite')
  })

  it('writes Markdown in which nothing of the plugin is markup', () => {
    const text = certificationMarkdown({
      package: '<b>x</b>',
      passed: 1,
      failed: 1,
      skipped: 1,
      checks: [
        { suite: 'provider', subject: 'a|b', name: 'does *it*', state: 'passed', ms: 1 },
        { suite: 'provider', subject: 'a|b', name: 'fails', state: 'failed', reason: 'because\n```\n# of this', ms: 1 },
        { suite: 'provider', subject: 'a|b', name: 'is left out', state: 'skipped', reason: 'it has no metadata', ms: 0 }
      ],
      capabilities: { 'provider a|b': { publishes: true } },
      versions: { plugin: undefined, core: '1.0.0', testkit: '1.0.0', node: '20.0.0', platform: 'linux-x64' }
    })
    expect(text).to.contain('# \\<b\\>x\\</b\\>: not certified')
    expect(text).to.contain('| does \\*it\\* | passed |')
    expect(text).to.contain('| is left out | skipped: it has no metadata |')
    expect(text).to.contain('  ````text\n  because\n  ```\n  # of this\n  ````')
    expect(text).to.contain('Declared: publishes: true.')
  })
})
