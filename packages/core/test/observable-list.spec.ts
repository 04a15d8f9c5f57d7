import { ListState } from '@kithmesh/core'
import { expect } from 'chai'
import { recordingLogger } from '@kithmesh/testkit'
import { logged, settle } from './fakes.ts'

function subject() {
  const logger = recordingLogger()
  const entries: string[] = []
  let snapshots = 0
  const list = new ListState(() => {
    snapshots++
    return [...entries]
  }, logger)
  const add = (entry: string): void => {
    entries.push(entry)
    list.changed()
  }
  return { logger, list, add, snapshots: () => snapshots }
}

describe('ListState', () => {
  it('is a frozen snapshot that stays the same until something changes', () => {
    const { list, add, snapshots } = subject()
    add('a')
    const first = list.current
    expect(first).to.deep.equal(['a'])
    expect(list.current).to.equal(first)
    expect(Object.isFrozen(first)).to.equal(true)
    add('b')
    expect(first).to.deep.equal(['a'])
    expect(list.current).to.deep.equal(['a', 'b'])
    expect(snapshots()).to.equal(2)
  })

  it('tells listeners once of changes in a row, later, until they leave', async () => {
    const { list, add } = subject()
    const told: Array<readonly string[]> = []
    const stop = list.onChange((current) => told.push(current))
    add('a')
    add('b')
    expect(told).to.deep.equal([])
    await settle()
    expect(told).to.deep.equal([['a', 'b']])
    stop()
    add('c')
    await settle()
    expect(told).to.have.length(1)
  })

  it('logs a listener that throws and tells the others', async () => {
    const { list, add, logger } = subject()
    const told: Array<readonly string[]> = []
    list.onChange(() => {
      throw new Error('a listener of the application')
    })
    list.onChange((current) => told.push(current))
    add('a')
    await settle()
    expect(told).to.deep.equal([['a']])
    expect(logged(logger, 'error')).to.have.length(1)
  })

  it('costs nothing while nobody looks', async () => {
    const { list, add, snapshots } = subject()
    for (let index = 0; index < 100; index++) add('x')
    await settle()
    expect(snapshots()).to.equal(0)
    expect(list.current).to.have.length(100)
  })

  it('can be iterated over: the state now, then every later one that the reader is fast enough for, and always the last', async () => {
    const { list, add } = subject()
    add('a')
    const changes = list.changes()
    expect((await changes.next()).value).to.deep.equal(['a'])
    await settle()
    expect((await changes.next()).value, 'the change was told after the iteration began').to.deep.equal(['a'])
    const next = changes.next()
    add('b')
    expect((await next).value).to.deep.equal(['a', 'b'])
    add('c')
    await settle()
    add('d')
    await settle()
    expect((await changes.next()).value).to.deep.equal(['a', 'b', 'c', 'd'])
    await changes.return?.()
    expect((await changes.next()).done).to.equal(true)
  })

  it('ends an iteration when its signal aborts, when the loop is left and when the list ends', async () => {
    const { list, add } = subject()
    const abort = new AbortController()
    const seen: number[] = []
    const aborted = (async () => {
      for await (const current of list.changes({ signal: abort.signal })) seen.push(current.length)
    })()
    await settle()
    abort.abort()
    await aborted
    expect(seen).to.deep.equal([0])
    expect((await list.changes({ signal: abort.signal }).next()).done).to.equal(true)
    for await (const current of list.changes()) {
      expect(current).to.deep.equal([])
      break
    }
    const lengths: number[] = []
    const ended = (async () => {
      for await (const current of list.changes()) lengths.push(current.length)
    })()
    await settle()
    add('a')
    await settle()
    list.end()
    await ended
    expect(lengths).to.deep.equal([0, 1])
  })
})
