import { expect } from 'chai'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'

interface Program {
  runCreatePlugin(
    args: readonly string[],
    io: {
      readonly stdin: NodeJS.ReadableStream
      readonly stdout: NodeJS.WritableStream
      readonly stderr: NodeJS.WritableStream
      readonly interactive: boolean
    }
  ): Promise<number>
}
const { runCreatePlugin } = (await import(new URL('../dist/program.js', import.meta.url).href)) as Program
const bin = fileURLToPath(new URL('../bin/create-plugin.js', import.meta.url))

describe('npm create @kithmesh/plugin', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'create-plugin-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  async function run(args: readonly string[], answers?: readonly string[]) {
    const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()]
    stdin.end(answers?.map((answer) => `${answer}\n`).join('') ?? '')
    const code = await runCreatePlugin(args, { stdin, stdout, stderr, interactive: answers !== undefined })
    const text = (stream: PassThrough): string => String(stream.read() ?? '')
    return { code, out: text(stdout), err: text(stderr) }
  }
  const directory = (): string => join(folder, 'plugin')

  it('makes what was asked for, and says what comes next', async () => {
    const { code, out, err } = await run(['pigeon', '--kind', 'transport', '--directory', directory()])
    expect({ code, err }).to.deep.equal({ code: 0, err: '' })
    expect(out).to.match(/^pigeon, a transport, is in .*plugin: \d+ files\./)
    expect(out).to.match(/ {2}cd .*plugin\n {2}npm install\n {2}npm test\n {2}npm run certify\n/)
  })
  it('prints one line of JSON', async () => {
    const { code, out } = await run(['--name', '@acme/pigeon', '--kind', 'provider', '--directory', directory(), '--json'])
    expect(code).to.equal(0)
    expect(out.trimEnd().split('\n')).to.have.length(1)
    const made = JSON.parse(out) as { readonly files: readonly string[] }
    expect(made).to.include({ name: '@acme/pigeon', kind: 'provider', factory: 'pigeon', directory: directory() })
    expect(made.files).to.include('src/index.ts')
  })
  it('asks for what was not said, on a terminal only, again when an answer makes no sense', async () => {
    const { code, out } = await run(['--directory', directory()], ['radio', 't', 'Bad Name', '@acme/pigeon'])
    expect(code).to.equal(0)
    expect(out).to.include('Answer provider or transport.')
    expect(out).to.include('cannot be the name of a package')
    expect(JSON.parse(await readFile(join(directory(), 'package.json'), 'utf8'))).to.include({ name: '@acme/pigeon' })
    expect(await readdir(join(directory(), 'src'))).to.include('tunnel.ts')
  })
  it('takes an empty answer for the one in brackets', async () => {
    expect((await run(['--directory', directory()], ['', ''])).code).to.equal(0)
    expect(JSON.parse(await readFile(join(directory(), 'package.json'), 'utf8'))).to.include({ name: 'my-provider' })
  })
  it('gives up without an answer', async () => {
    const { code, err } = await run(['--directory', directory()], ['provider'])
    expect(code).to.equal(2)
    expect(err).to.include('There was no answer')
    expect(await readdir(folder)).to.deep.equal([])
  })
  for (const extra of [[], ['--json']]) {
    it(`asks nothing where nobody is${extra.length > 0 ? ', or with --json' : ''}`, async () => {
      const { code, err } = await run(['--directory', directory(), ...extra], extra.length > 0 ? ['provider', 'pigeon'] : undefined)
      expect(code).to.equal(2)
      expect(err).to.include('a name and --kind must be given')
      if (extra.length > 0) expect(JSON.parse(err)).to.include({ code: 'ERR_CREATE_ARGUMENTS' })
    })
  }
  it('asks nothing with --yes', async () => {
    expect((await run(['--yes', '--kind', 'transport', '--directory', directory()], [])).code).to.equal(0)
    expect(JSON.parse(await readFile(join(directory(), 'package.json'), 'utf8'))).to.include({ name: 'my-transport' })
  })
  for (const [what, args, message] of [
    ['another kind', ['x', '--kind', 'radio'], '--kind is provider or transport, not "radio"'],
    ['an unknown option', ['x', '--sort', 'provider'], '--sort'],
    ['two names', ['x', 'y', '--kind', 'provider'], 'One name is enough'],
    ['a name that cannot be', ['X', '--kind', 'provider'], 'capital letters']
  ] as const) {
    it(`refuses ${what}, with 2`, async () => {
      const { code, out, err } = await run(args)
      expect({ code, out }).to.deep.equal({ code: 2, out: '' })
      expect(err).to.include(message)
      expect(err).to.match(/\n {2}hint: \S/)
    })
  }
  it('fails with 1 where something is', async () => {
    const args = ['x', '--kind', 'provider', '--directory', directory()]
    expect((await run(args)).code).to.equal(0)
    const { code, err } = await run(args)
    expect(code).to.equal(1)
    expect(err).to.match(/^error .* is not empty: .* \[ERR_CREATE_EXISTS\]\n {2}hint: /)
  })
  it('is a program with help and a version', async () => {
    const printed = (argument: string): Promise<string> =>
      new Promise((resolve, reject) => {
        execFile(process.execPath, [bin, argument], (error, stdout) => {
          if (error === null) resolve(stdout)
          else reject(error)
        })
      })
    expect(await printed('--help')).to.include('npm create @kithmesh/plugin')
    expect(await printed('--version')).to.match(/^\d+\.\d+\.\d+\n$/)
  })
})
