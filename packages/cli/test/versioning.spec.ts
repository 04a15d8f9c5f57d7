import { join } from 'node:path'
import { expect } from 'chai'
import { run, start, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()
const VERSION = /^[1-9a-f][0-9a-f]+@[A-Za-z0-9+/]{22}$/

describe('--versioning', () => {
  let home: string
  let running: ReturnType<typeof start>[]

  beforeEach(() => {
    home = temporary.make()
    running = []
  })
  afterEach(async () => {
    for (const each of running) await each.stop()
    temporary.clean()
  })

  const serve = async (name: string, ...options: string[]): Promise<{ url: string; first: any; stderr: () => string }> => {
    const words = ['serve', join(home, name), '--port', '0', '--host', '127.0.0.1', '--tls', 'off', '--db', 'db', '--json', ...options]
    const command = start(words)
    running.push(command)
    const [line] = (await command.stdout.until((text) => text.includes('\n'), 'the first line')).split('\n')
    const first: any = JSON.parse(line ?? '')
    return { url: first.url, first, stderr: () => command.stderr.text }
  }
  const replicate = (name: string, url: string, ...options: string[]): ReturnType<typeof run> =>
    run(['replicate', join(home, name), url, '--json', ...options])

  it('makes new databases with version vectors, which replicate with each other', async () => {
    const { url, first } = await serve('one', '--versioning', 'version-vectors')
    expect(first).to.include({ event: 'listening', versioning: 'version-vectors' })
    await run(['put', join(home, 'one'), 'x', '{"n":1}'])
    expect(await replicate('two', url, '--versioning', 'version-vectors')).to.include({ code: 0, err: '' })
    expect((await run(['get', join(home, 'two'), 'x', '--json'])).lines[0].rev).to.match(VERSION)
    expect((await run(['ls', join(home, 'two'), '--collections', '--json'])).lines[0]).to.include({ versioning: 'version-vectors' })
    // From now on it is what it is, without the option.
    await run(['put', join(home, 'two'), 'y', '{}'])
    expect(await replicate('two', url)).to.include({ code: 0, err: '' })
    expect((await run(['ls', join(home, 'one')])).out).to.equal('x\ny\n')
  })

  it('leaves an existing database alone unless it may be upgraded', async () => {
    await run(['put', join(home, 'old'), 'x', '{"n":1}'])
    const { url } = await serve('new', '--versioning', 'version-vectors')
    const refused = await replicate('old', url, '--versioning', 'version-vectors')
    expect(refused.code).to.equal(1)
    expect(JSON.parse(refused.err)).to.include({ code: 'ERR_CLI_VERSIONING' })
    expect(JSON.parse(refused.err).hint).to.include('--upgrade')
    expect((await run(['ls', join(home, 'old'), '--collections', '--json'])).lines[0]).to.include({ versioning: 'rev-trees' })

    const upgraded = await replicate('old', url, '--versioning', 'version-vectors', '--upgrade')
    expect(upgraded.code).to.equal(0)
    expect(upgraded.err).to.include('was upgraded to version-vectors')
    expect(upgraded.lines[0]).to.include({ pushed: 1 })
    expect((await run(['get', join(home, 'new'), 'x'])).out).to.include('{"n":1}')
    const back = await replicate('old', url, '--versioning', 'rev-trees')
    expect(JSON.parse(back.err)).to.include({ code: 'ERR_CLI_VERSIONING' })
    expect(JSON.parse(back.err).hint).to.include('no way back')
  })

  it('is named by the error of two databases that differ', async () => {
    const { url } = await serve('vectors', '--versioning', 'version-vectors')
    await run(['put', join(home, 'trees'), 'x', '{}'])
    const outcome = await replicate('trees', url)
    expect(outcome.code).to.equal(1)
    expect(outcome.lines[0]).to.include({ event: 'finished', code: 'ERR_REPL_VERSIONING' })
    expect(JSON.parse(outcome.err).error).to.include('version vectors').and.to.include('revision trees')
    expect(JSON.parse(outcome.err).hint).to.include('--versioning')
    // Giving alone is possible.
    expect(await replicate('trees', url, '--push')).to.include({ code: 0 })
    expect((await run(['ls', join(home, 'vectors')])).out).to.equal('x\n')
  })

  it('refuses what it does not know', async () => {
    expect(await replicate('x', 'ws://127.0.0.1:1/db', '--versioning', 'clocks')).to.include({ code: 2 })
    expect(await replicate('x', 'ws://127.0.0.1:1/db', '--upgrade')).to.include({ code: 2 })
  })
})
