import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { Database } from '../../../packages/database/dist/index.js'
import { openOrCreateIdentity } from '../../../packages/identity/dist/index.js'
import { PeerProcess } from '../../../examples/warehouse-and-shop/dist/peer-process.js'
import { inStep } from '../../../examples/warehouse-and-shop/dist/screen.js'
import { compareDatabases } from '../../../examples/warehouse-and-shop/dist/verify.js'
import { noteProcess } from '../../../tools/lib/processes.mjs'

const program = fileURLToPath(new URL('../../../examples/warehouse-and-shop/dist/main.js', import.meta.url))
const names = ['warehouse', 'shop']

/** The example in a process group of its own, as a shell would start it, and what it wrote. */
function start(...args) {
  const child = spawn(process.execPath, [program, ...args], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  noteProcess(child, `main.js ${args.join(' ')}`)
  const run = { child, stdout: '', stderr: '', ended: once(child, 'close').then(([code, signal]) => signal ?? code) }
  child.stdout.on('data', (data) => {
    run.stdout += data
  })
  child.stderr.on('data', (data) => {
    run.stderr += data
  })
  return run
}

/** Processes that a process started and that still run, by the kernel's account. */
function childrenOf(pid) {
  const file = `/proc/${pid}/task/${pid}/children`
  return existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split(' ')
        .filter((word) => word !== '')
        .map(Number)
    : []
}

function runs(pid) {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

/** Opens both databases afresh: undamaged, and every picture that a document mentions is there. */
async function expectWhole(directory) {
  for (const name of names) {
    const path = join(directory, name)
    if (!existsSync(join(path, 'database.json'))) continue
    const database = await Database.open(path, { createIfMissing: false })
    try {
      database.checkIntegrity()
      for (const document of database.collection().documents()) {
        const { digest, length } = document.body.picture
        expect(await database.blobs.readBlob(digest), `${document.id} in ${name}`).to.have.length(length)
      }
    } finally {
      await database.close()
    }
  }
}

describe('warehouse and shop', () => {
  let directory
  const started = []
  const tracked = (run) => {
    started.push(run)
    return run
  }

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kithmesh-e2e-'))
  })
  afterEach(async () => {
    for (const run of started.splice(0)) {
      for (const pid of [...childrenOf(run.child.pid), run.child.pid]) if (runs(pid)) process.kill(pid, 'SIGKILL')
      await run.ended
    }
    await rm(directory, { recursive: true, force: true })
  })

  async function editing() {
    const run = tracked(start('--dir', directory))
    await eventually(
      'both sides to be equal and edits to begin',
      () => run.stderr.includes('editing on both') || run.child.exitCode !== null
    )
    expect(run.child.exitCode, run.stderr).to.equal(null)
    await delay(1500) // A few edits; nothing below depends on how many.
    return run
  }

  it('converges with --once --json and prints one line of JSON', async () => {
    const run = tracked(start('--once', '--json'))
    expect(await run.ended, run.stderr).to.equal(0)
    const lines = run.stdout.trim().split('\n')
    expect(lines).to.have.length(1)
    const summary = JSON.parse(lines[0])
    expect(summary).to.include({ converged: true, peers: 2, documents: 12, blobs: 12, edits: 40 })
    expect(summary.conflicts).to.be.at.least(0)
    for (const key of ['msToDiscover', 'msToFirstSync', 'p50LatencyMs', 'p99LatencyMs']) expect(summary[key], key).to.be.greaterThan(0)
    expect(run.stderr).to.equal('')
  })

  it('says why it failed, on stderr and with exit code 1', async () => {
    const run = tracked(start('--once', '--json', '--timeout', '0.001'))
    expect(await run.ended).to.equal(1)
    expect(run.stderr).to.match(/did not find each other within 0\.001 s/)
    expect(JSON.parse(run.stdout)).to.include({ converged: false })
  })

  it('ends in order on Ctrl-C, which reaches the whole process group, and leaves both databases whole', async () => {
    const run = await editing()
    const peers = childrenOf(run.child.pid)
    expect(peers).to.have.length(2)
    process.kill(-run.child.pid, 'SIGINT')
    expect(await run.ended).to.equal(0)
    expect(run.stdout).to.match(/^Stopped; the databases are in /m)
    expect(run.stderr).to.not.include('did not end in order')
    expect(peers.filter(runs)).to.deep.equal([])
    await expectWhole(directory)
  })

  it('ends in order on Ctrl-C at any moment of its start', async () => {
    for (const ms of [50, 200, 350, 500, 800, 1200]) {
      const run = tracked(start('--dir', directory))
      await delay(ms)
      process.kill(-run.child.pid, 'SIGINT')
      // Before it has loaded there is no handler yet, and the signal ends it as it ends any program.
      expect(await run.ended, `${ms} ms: ${run.stderr}`).to.be.oneOf([0, 'SIGINT'])
      expect(run.stderr).to.not.match(/did not end in order|unexpectedly/)
      await expectWhole(directory)
    }
  })

  it('leaves no peer behind when it is killed itself', async () => {
    const run = await editing()
    const peers = childrenOf(run.child.pid)
    expect(peers).to.have.length(2)
    run.child.kill('SIGKILL')
    expect(await run.ended).to.equal('SIGKILL')
    await eventually('both peers to end', () => !peers.some(runs), { everyMs: 50 })
    await expectWhole(directory)
  })

  it('reports a peer that was killed, and converges from where it was when started again', async () => {
    const run = await editing()
    const [first] = childrenOf(run.child.pid)
    process.kill(first, 'SIGKILL')
    expect(await run.ended).to.equal(1)
    expect(run.stderr).to.match(/(warehouse|shop) ended unexpectedly \(SIGKILL\)/)
    await expectWhole(directory)
    const again = tracked(start('--once', '--json', '--dir', directory))
    expect(await again.ended, again.stderr).to.equal(0)
    expect(JSON.parse(again.stdout)).to.include({ converged: true, documents: 12, blobs: 12 })
  })

  it('takes a peer back that was killed and restarted while the other went on', async () => {
    const directories = Object.fromEntries(names.map((name) => [name, join(directory, name)]))
    for (const path of Object.values(directories)) await mkdir(path)
    const trusted = await Promise.all(
      names.map(async (name) => (await openOrCreateIdentity(directories[name], { commonName: name })).peerId)
    )
    const running = {}
    const edits = {}
    const failures = []
    const startPeer = (name) => {
      running[name] = new PeerProcess(
        {
          name,
          directory: directories[name],
          group: `kithmesh-e2e-${process.pid}`,
          interfaces: ['lo'],
          seed: name === 'warehouse',
          trusted
        },
        (report) => {
          if (report.is === 'failed') failures.push(report.message)
          if (report.is === 'edited') edits[name] = (edits[name] ?? 0) + 1
        }
      )
    }
    const equal = async (what) => {
      await eventually(what, () => inStep(running.warehouse.view, running.shop.view))
    }
    try {
      for (const name of names) startPeer(name)
      await equal('the first sync')
      for (const victim of names) {
        const other = names.find((name) => name !== victim)
        for (let n = 0; n < 20; n++) {
          for (const name of names) running[name].edit()
          await delay(10)
          if (n === 10) running[victim].kill()
        }
        await running[victim].stop()
        const before = edits[other]
        running[other].edit()
        await eventually('the edit of the one that is alone', () => edits[other] > before)
        startPeer(victim)
        await eventually('the restarted one to show what it has', () => running[victim].view?.rows.length === 12)
        await equal(`both to be equal again after ${victim} was killed`)
        const count = edits[victim] ?? 0
        running[victim].edit()
        await eventually('its edit', () => edits[victim] > count && inStep(running.warehouse.view, running.shop.view))
      }
    } finally {
      await Promise.all(Object.values(running).map((peer) => peer.stop()))
    }
    expect(failures).to.deep.equal([])
    await expectWhole(directory)
    expect((await compareDatabases(directories.warehouse, directories.shop)).differences).to.deep.equal([])
  })
})
