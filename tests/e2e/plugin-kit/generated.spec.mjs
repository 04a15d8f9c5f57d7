import { expect } from 'chai'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, runNpm } from '../../../tools/lib/run.mjs'
import { startPackedRegistry } from '../../support/packed-registry.mjs'

const kinds = [
  {
    kind: 'provider',
    name: 'kithmesh-etcd-v3-provider',
    factory: 'etcdV3',
    mistake: {
      file: 'src/presence-table.ts',
      right: 'found.push(record)',
      wrong: 'found.slice()',
      caughtBy: 'finds a service that was there before'
    }
  },
  {
    kind: 'transport',
    name: '@acme/proxy-tunnel',
    factory: 'proxyTunnel',
    mistake: {
      file: 'src/tunnel.ts',
      right: 'reject(error as Error)',
      wrong: "reject(new Error('no'))",
      caughtBy: 'rejects with a code when nobody answers'
    }
  }
]

describe('npm create @kithmesh/plugin, outside of the checkout, with packed packages', () => {
  let registry
  let folder
  before(async () => {
    registry = await startPackedRegistry()
    folder = mkdtempSync(join(tmpdir(), 'kithmesh-create-'))
    // Both plugins in one workspace, as teams have it: that is one installation less.
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, workspaces: kinds.map(({ kind }) => kind) }))
  })
  after(async () => {
    await registry?.[Symbol.asyncDispose]()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  /** What npm prints, when it ends well; with `json` the last line, parsed. */
  async function npm(args, cwd, { json = false, fails = false } = {}) {
    const { code, text } = await runNpm(args, { cwd, env: { ...registry.env, NO_COLOR: '1' }, output: 'collect', timeoutMs: 240_000 })
    expect(code === 0, `npm ${args.join(' ')} ended with ${code}:\n${text.slice(-4000)}`).to.equal(!fails)
    return json ? JSON.parse(text.split('\n').find((line) => line.startsWith('{'))) : text
  }

  for (const { kind, name, factory } of kinds) {
    it(`makes a ${kind}, and overwrites nothing`, async () => {
      const create = ['create', '--yes', '@kithmesh/plugin', kind, '--', '--kind', kind, '--name', name, '--json']
      const made = await npm(create, folder, { json: true })
      expect(made).to.include({ name, kind, factory, directory: join(folder, kind) })
      expect(made.files).to.include.members(['package.json', 'README.md', 'LICENSE', '.gitignore', 'src/index.ts', 'test/certify.ts'])
      expect(await npm(create, folder, { fails: true })).to.include('ERR_CREATE_EXISTS')
    })
  }

  it('which are installed with one core, and with nothing of the checkout', async () => {
    await npm(['install'], folder)
    const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
    const cores = Object.keys(JSON.parse(lock).packages).filter((path) => path.endsWith('node_modules/@kithmesh/core'))
    expect(cores).to.deep.equal(['node_modules/@kithmesh/core'])
    expect(lock).not.to.include(root)
  })

  for (const { kind, name, mistake } of kinds) {
    describe(`the ${kind}`, () => {
      let plugin
      before(() => {
        plugin = join(folder, kind)
      })
      it('passes its tests', async () => {
        const text = await npm(['test'], plugin)
        expect(text).to.match(/ℹ fail 0/)
        expect(Number(/ℹ pass (\d+)/.exec(text)?.[1])).to.be.greaterThan(30)
      })
      it('is certified', async () => {
        const report = await npm(['run', '--silent', 'certify', '--', '--json'], plugin, { json: true })
        expect(report).to.include({ package: name, failed: 0 })
        expect(report.checks.map(({ suite }) => suite)).to.include.members(['package', kind])
      })
      it('packs what it exports, and no test', async () => {
        const text = await npm(['pack', '--dry-run', '--json', '--silent', '--ignore-scripts'], plugin)
        const listed = JSON.parse(text.slice(text.search(/^[[{]/m)))
        const [{ files }] = Array.isArray(listed) ? listed : Object.values(listed)
        const paths = files.map(({ path }) => path)
        expect(paths).to.include.members(['dist/src/index.js', 'dist/src/index.d.ts', 'README.md', 'LICENSE'])
        expect(paths.filter((path) => path.includes('test'))).to.deep.equal([])
      })
      it('is not certified with a mistake in it', async () => {
        const { file, right, wrong, caughtBy } = mistake
        const text = readFileSync(join(plugin, file), 'utf8')
        expect(text).to.include(right)
        writeFileSync(join(plugin, file), text.replaceAll(right, wrong))
        const certify = ['run', '--silent', 'certify', '--', '--json', '--suite', kind, '--grep', caughtBy]
        const report = await npm(certify, plugin, { json: true, fails: true })
        const failed = report.checks.filter(({ state }) => state === 'failed').map((check) => check.name.split(' > ').at(-1))
        expect(failed).to.deep.equal([caughtBy])
      })
    })
  }
})
