import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { Database } from '../../../packages/database/dist/index.js'
import { answers } from '../../support/ports.mjs'
import { useDevices } from './devices.mjs'

const folders = ['warehouse', 'shop', 'office']

function childrenOf(pid) {
  const file = `/proc/${pid}/task/${pid}/children`
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
}

function runs(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

describe('npm run inventory', () => {
  const devices = useDevices()

  it('starts three devices on this machine only, and ends them all in order on Ctrl-C', async () => {
    const { child, urls, ended, run } = await devices.three('--connected')
    const peers = childrenOf(child.pid)
    expect(peers).to.have.length(3)
    const ports = Object.values(urls).map((url) => Number(new URL(url).port))
    for (const port of ports) {
      expect(await answers(port)).to.equal(true)
      expect(await answers(port, '127.0.0.2')).to.equal(false)
    }
    process.kill(-child.pid, 'SIGINT')
    expect(await ended, run.errors).to.equal(0)
    await eventually('the three devices to be gone', () => peers.every((pid) => !runs(pid)))
    for (const port of ports) expect(await answers(port)).to.equal(false)
    for (const [index, folder] of folders.entries()) {
      const database = await Database.open(join(devices.directory, folder, 'users', ['alice', 'bob', 'carol'][index]), {
        createIfMissing: false
      })
      try {
        database.checkIntegrity()
        expect(database.collection().get('list:inventory')?.body.list).to.have.length(8)
      } finally {
        await database.close()
      }
    }
  })

  it('ends in order at any moment of its start', async () => {
    for (const ms of [100, 400, 900, 1500]) {
      const run = devices.run('main', ['--dir', devices.directory, '--group', `inventory-start-${process.pid}`, '--no-open', '--connected'])
      await delay(ms)
      process.kill(-run.child.pid, 'SIGINT')
      // Before it has loaded there is no handler yet, and the signal ends it as it ends any program.
      expect(await run.ended, `${ms} ms: ${run.errors}`).to.be.oneOf([0, 'SIGINT'])
      expect(run.errors).to.equal('')
    }
  })

  it('ends the devices when it is killed itself', async () => {
    const { child } = await devices.three()
    const peers = childrenOf(child.pid)
    expect(peers).to.have.length(3)
    child.kill('SIGKILL')
    await eventually('the three devices to be gone', () => peers.every((pid) => !runs(pid)))
  })

  it('ends them all when one of them ends, and says which', async () => {
    const { child, ended, run } = await devices.three()
    process.kill(childrenOf(child.pid)[1], 'SIGKILL')
    expect(await ended).to.equal(1)
    expect(run.errors).to.match(/^Shop: ended unexpectedly \(SIGKILL\)/)
  })

  it('keeps secrets to itself: keys are readable by the owner only', async () => {
    await devices.three()
    for (const file of ['authority/authority.pem', ...folders.map((folder) => `${folder}/identity.pem`)])
      expect(statSync(join(devices.directory, file)).mode & 0o077, file).to.equal(0)
  })

  it('helps with --help, and says what is wrong with an option', async () => {
    for (const program of ['main', 'peer']) {
      const help = devices.run(program, ['--help'])
      expect(await help.ended).to.equal(0)
      expect(help.output).to.include('--interface NAME').and.to.include('--group GROUP')
      const wrong = devices.run(program, ['--nonsense'])
      expect(await wrong.ended).to.equal(1)
      expect(wrong.errors).to.include('--nonsense')
    }
    const mode = devices.run('peer', ['--listen', 'maybe', '--directory', devices.directory])
    expect(await mode.ended).to.equal(1)
    expect(mode.errors).to.include('off, anonymous, identity')
  })
})
