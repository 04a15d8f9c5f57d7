import { createPlugin, type PluginKind } from '@kithmesh/create-plugin'
import { rejection } from '@kithmesh/testkit'
import { expect } from 'chai'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const versionOf = async (name: string): Promise<string> => {
  const manifest = new URL(`../../${name}/package.json`, import.meta.url)
  return (JSON.parse(await readFile(manifest, 'utf8')) as { readonly version: string }).version
}

describe('createPlugin', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'create-plugin-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })
  const all = async (directory: string): Promise<string[]> =>
    (await readdir(directory, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile()).map((entry) => entry.name)

  for (const kind of ['provider', 'transport'] as const) {
    describe(`a ${kind}`, () => {
      it('has everything a package needs, and no placeholder', async () => {
        const made = await createPlugin({ name: '@acme/kithmesh-pigeon', kind, directory: join(folder, 'new', 'plugin') })
        expect(made.directory).to.equal(join(folder, 'new', 'plugin'))
        expect(made.files).to.include.members([
          '.gitignore',
          'LICENSE',
          'README.md',
          'package.json',
          'src/index.ts',
          'test/certify.ts',
          'tsconfig.json'
        ])
        expect(await all(made.directory)).to.have.length(made.files.length)
        for (const file of made.files) {
          const text = await readFile(join(made.directory, file), 'utf8')
          expect(text, file).not.to.match(/__\w/)
        }
        const index = await readFile(join(made.directory, 'src/index.ts'), 'utf8')
        expect(index).to.include('export function pigeon(options: PigeonOptions)')
        expect(await readFile(join(made.directory, 'LICENSE'), 'utf8')).to.match(/^MIT License/)
      })
      it('asks for versions that this checkout has', async () => {
        const { directory } = await createPlugin({ name: 'pigeon', kind, directory: join(folder, 'pigeon') })
        const manifest = JSON.parse(await readFile(join(directory, 'package.json'), 'utf8')) as Record<string, Record<string, string>>
        expect(manifest['name']).to.equal('pigeon')
        expect(Object.keys(manifest['peerDependencies'] ?? {})).to.deep.equal(['@kithmesh/core'])
        for (const name of ['core', 'testkit'])
          expect(manifest['devDependencies']?.[`@kithmesh/${name}`]).to.equal(`^${await versionOf(name)}`)
        expect(manifest['peerDependencies']?.['@kithmesh/core']).to.equal(manifest['devDependencies']?.['@kithmesh/core'])
        expect(manifest['kithmesh']).to.deep.equal({ certify: './dist/test/certify.js' })
      })
    })
  }

  it('a provider is the example of the documentation, under its own name', async () => {
    const example = fileURLToPath(new URL('../../../examples/custom-provider', import.meta.url))
    const { directory, files } = await createPlugin({ name: '@acme/shared-folder', kind: 'provider', directory: join(folder, 'plugin') })
    const program = files.filter((file) => /^(?:src|test)\//.test(file))
    expect(program).to.include.members(['src/provider.ts', 'src/store.ts', 'test/provider.test.ts'])
    for (const file of program) {
      const text = await readFile(join(example, file), 'utf8')
      expect(await readFile(join(directory, file), 'utf8'), file).to.equal(
        text.replaceAll('@kithmesh-examples/custom-provider', '@acme/shared-folder')
      )
    }
  })

  it('goes into an empty folder, also one that is a repository', async () => {
    await mkdir(join(folder, '.git'))
    await createPlugin({ name: 'pigeon', kind: 'provider', directory: folder })
    expect(await readdir(folder)).to.include.members(['.git', 'src', 'test'])
  })
  it('overwrites nothing', async () => {
    await writeFile(join(folder, 'notes.txt'), 'mine')
    const error = await rejection(createPlugin({ name: 'pigeon', kind: 'provider', directory: folder }))
    expect(error).to.include({ code: 'ERR_CREATE_EXISTS' })
    expect(error.message).to.include('notes.txt')
    expect(await readdir(folder)).to.deep.equal(['notes.txt'])
    const notAFolder = await rejection(createPlugin({ name: 'pigeon', kind: 'provider', directory: join(folder, 'notes.txt') }))
    expect(notAFolder).to.include({ code: 'ERR_CREATE_EXISTS' })
  })
  it('leaves nothing behind when it cannot write', async () => {
    const directory = join(folder, 'plugin')
    await symlink(join(folder, 'nowhere', 'at all'), directory)
    const error = await rejection(createPlugin({ name: 'pigeon', kind: 'provider', directory }))
    expect(error).to.include({ code: 'ERR_CREATE_WRITE' })
    expect(error.cause).to.be.instanceOf(Error)
    expect(await readdir(folder)).to.deep.equal(['plugin'])
  })
  it('makes nothing of another kind', async () => {
    expect(await rejection(createPlugin({ name: 'pigeon', kind: 'radio' as PluginKind, directory: folder }))).to.be.instanceOf(TypeError)
    expect(await readdir(folder)).to.deep.equal([])
  })
})
