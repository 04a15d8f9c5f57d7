import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { systemClock } from '@kithmesh/core'
import type { Clock } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { Temporary } from './temporary.ts'

const program = fileURLToPath(new URL('./writer-process.js', import.meta.url))

describe('several processes on one database', () => {
  const temporary = new Temporary()
  const children: ChildProcess[] = []
  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    await temporary.clean()
  })

  function start(task: string, directory: string, argument = ''): { child: ChildProcess; lines: () => string[]; ended: Promise<unknown> } {
    const child = spawn(process.execPath, [program, task, directory, argument], { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    return {
      child,
      lines: () =>
        output
          .slice(0, output.lastIndexOf('\n') + 1)
          .split('\n')
          .filter((line) => line !== ''),
      ended: once(child, 'close')
    }
  }

  it('tell those who listen what another one wrote, once', async () => {
    const database = await temporary.open()
    const items = database.collection()
    let calls = 0
    items.watch(() => {
      calls += 1
    })
    const other = start('put-once', database.directory, 'theirs')
    await eventually('the other process to finish its write', () => other.lines().length > 0)
    await eventually('the change of the other process', () => calls > 0)
    expect(items.get('theirs')?.body).to.deep.equal({ from: 'another process' })
    await other.ended
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
    expect(calls).to.equal(1)
    items.put('mine', {})
    await eventually('the own change', () => calls > 1)
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
    expect(calls).to.equal(2)
  })
  it('are noticed by file system events alone, also when the event comes before the commit can be seen', async () => {
    const clock: Clock = { ...systemClock, every: () => () => {} }
    const database = await temporary.open(undefined, { clock })
    const items = database.collection()
    let calls = 0
    items.watch(() => {
      calls += 1
    })
    const other = start('put-many', database.directory, 'other')
    let seen = 0
    items.watch(() => {
      seen = items.lastSequence
    })
    await other.ended
    await eventually('the last change of the other process', () => seen === 20 * 51)
    expect(calls).to.be.greaterThan(0)
  })
  it('are noticed by asking when the file system tells nothing', async () => {
    const ticks: (() => void)[] = []
    const clock: Clock = {
      ...systemClock,
      every: (_ms, run) => {
        ticks.push(run)
        return () => {}
      }
    }
    const database = await temporary.open(undefined, { clock })
    const second = await temporary.open(database.directory, { watch: false })
    let calls = 0
    database.collection().watch(() => {
      calls += 1
    })
    expect(ticks).to.have.length(1)
    for (const tick of ticks) tick()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    expect(calls).to.equal(0)
    second.collection().put('a', {})
    for (const tick of ticks) tick()
    await eventually('the change', () => calls === 1)
  })
  it('lose nothing when they write at the same time', async () => {
    const database = await temporary.open()
    const items = database.collection()
    const others = [start('put-many', database.directory, 'one'), start('put-many', database.directory, 'two')]
    for (let n = 0; n < 50; n += 1) {
      items.put(`own-${n}`, { n })
      await new Promise((resolve) => {
        setImmediate(resolve)
      })
    }
    for (const { ended } of others) expect(await ended).to.deep.equal([0, null])
    expect(items.count).to.equal(2 * 20 * 50 + 50 + 1)
    expect(items.lastSequence).to.equal(2 * 20 * 51 + 50)
    const sequences = items.changes({ limit: 10_000 }).map(({ sequence }) => sequence)
    expect(sequences).to.deep.equal([...new Set(sequences)].sort((a, b) => a - b))
    database.checkIntegrity()
  })
  it('killed while writing documents with blobs leave every document that was reported, and no blob missing', async () => {
    const directory = (await temporary.open()).directory
    for (let round = 0; round < 5; round += 1) {
      const writer = start('blobs-for-ever', directory, `r${round}`)
      await eventually('the writer to begin', () => writer.lines().length > 3 + round * 10)
      writer.child.kill('SIGKILL')
      await writer.ended
      const database = await temporary.open(directory)
      database.checkIntegrity()
      for (const id of writer.lines()) expect(database.collection().get(id), id).to.not.equal(undefined)
      for (const { id, body } of database.collection().documents()) {
        const { digest, length } = body.blob as { digest: string; length: number }
        const bytes = await database.blobs.read(digest)
        expect([
          id,
          bytes?.length,
          `sha1-${createHash('sha1')
            .update(bytes ?? '')
            .digest('base64')}`
        ]).to.deep.equal([id, length, digest])
      }
      await database.close()
    }
  })
  it('end by themselves once the database is closed, listeners or not', async () => {
    const other = start('watch-and-close', `${temporary.directory()}/db`)
    expect(await other.ended).to.deep.equal([0, null])
    expect(other.lines()).to.deep.equal(['closed'])
  })
  it('order changes by number, not by time: a clock that jumps changes nothing', async () => {
    let now = 2_000_000_000_000
    const database = await temporary.open(undefined, { clock: { ...systemClock, now: () => now } })
    const items = database.collection()
    for (const jump of [0, -1e12, 5e11, -1.4e12, 1e12]) {
      now += jump
      items.put(`d${items.lastSequence}`, { blob: await database.blobs.saveBlob(Buffer.from(String(now))) })
      expect(database.compact()).to.deep.equal({ blobsRemoved: 0 })
    }
    expect(items.changes().map(({ id }) => id)).to.deep.equal(['d0', 'd1', 'd2', 'd3', 'd4'])
  })
})
