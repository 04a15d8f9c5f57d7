import { KnownPeers, errorCode } from '@kithmesh/core'
import type { KnownPeer, KnownPeersOptions, KnownPeersStore } from '@kithmesh/core'
import { expect } from 'chai'
import { manualClock, recordingLogger } from '@kithmesh/testkit'
import { logged, settle } from './fakes.ts'

const id = (index: number): string => index.toString(16).padStart(64, '0')

class FakeStore implements KnownPeersStore {
  stored: readonly KnownPeer[] = []
  saves = 0
  broken: Error | undefined
  /** Saves wait until it is called. */
  gate: Promise<void> | undefined
  running = 0

  async load(): Promise<readonly KnownPeer[]> {
    if (this.broken !== undefined) throw this.broken
    return this.stored
  }

  async save(peers: readonly KnownPeer[]): Promise<void> {
    this.saves++
    expect(++this.running, 'saves at a time').to.equal(1)
    try {
      await this.gate
      if (this.broken !== undefined) throw this.broken
      this.stored = peers
    } finally {
      this.running--
    }
  }
}

function subject(options: KnownPeersOptions = {}, store = new FakeStore()) {
  const clock = manualClock()
  const logger = recordingLogger()
  const known = new KnownPeers({ store, clock, logger, ...options })
  const ids = () => known.list.current.map(({ peerId }) => Number.parseInt(peerId, 16))
  return { clock, logger, store, known, ids }
}

async function code(promise: Promise<unknown>): Promise<string | undefined> {
  return await promise.then(
    () => undefined,
    (error: unknown) => errorCode(error) ?? (error as Error).name
  )
}

const trusted = (index: number) => ({ peerId: id(index), name: `Till ${index}`, level: 'trusted', how: 'by hand' }) as const

describe('KnownPeers', () => {
  it('remember what became of a peer, since when, and where it was last', async () => {
    const { clock, store, known } = subject()
    await known.start()
    const since = clock.now()
    known.seen({ peerId: id(1), name: 'Till 1', address: '192.0.2.1:50312' })
    expect(known.get(id(1))).to.deep.equal({
      peerId: id(1),
      name: 'Till 1',
      level: 'restricted',
      how: 'seen',
      since,
      lastSeen: since,
      lastAddress: '192.0.2.1:50312'
    })
    await clock.advance(10_000)
    await known.remember({ peerId: id(1), name: 'Till one\u0000', level: 'trusted', how: 'pairing/1' })
    expect(known.get(id(1))).to.deep.include({
      name: 'Till one ',
      level: 'trusted',
      how: 'pairing/1',
      since,
      lastSeen: since + 10_000,
      lastAddress: '192.0.2.1:50312'
    })
    known.seen({ peerId: id(1), name: 'x'.repeat(1_000) })
    expect(known.get(id(1))).to.deep.include({ level: 'trusted', how: 'pairing/1', name: 'x'.repeat(255) })
    await known.stop()
    const again = subject({}, store)
    await again.known.start()
    expect(again.known.list.current).to.deep.equal(known.list.current)
    expect(await again.known.forget(id(1))).to.equal(true)
    expect(await again.known.forget(id(1))).to.equal(false)
    expect(store.stored).to.deep.equal([])
  })

  it('resolve when the store has it, and write changes in a row at once', async () => {
    const { store, known } = subject()
    await known.start()
    await Promise.all(Array.from({ length: 50 }, (_, index) => known.remember(trusted(index))))
    expect(store.stored).to.have.length(50)
    expect(store.saves).to.equal(1)
    let open = (): void => {}
    store.gate = new Promise((resolve) => {
      open = resolve
    })
    const first = known.remember(trusted(100))
    await settle()
    const second = known.remember({ ...trusted(101), level: 'blocked' })
    open()
    await Promise.all([first, second])
    expect(store.saves, 'the second came when the write of the first had begun').to.equal(3)
    expect(store.stored).to.have.length(52)
  })

  it('write what is not urgent a little later', async () => {
    const { clock, store, known } = subject()
    await known.start()
    for (let round = 0; round < 5; round++) {
      for (let index = 0; index < 20; index++) known.seen({ peerId: id(index), name: '' })
      await clock.advance(100)
    }
    expect(store.saves).to.equal(0)
    await clock.advance(600)
    expect(store.saves).to.equal(1)
    known.seen({ peerId: id(1), name: 'later' })
    await known.stop()
    expect(store.saves).to.equal(2)
    expect(store.stored.find(({ peerId }) => peerId === id(1))?.name).to.equal('later')
    await known.stop()
    expect(store.saves).to.equal(2)
    expect(clock.pending, 'timers').to.equal(0)
  })

  it('are told of a store that fails, lose nothing, and try again', async () => {
    const { clock, logger, store, known } = subject()
    await known.start()
    store.broken = new Error('the disk is full')
    expect(await code(known.remember(trusted(1)))).to.equal('ERR_KNOWN_PEERS_STORE')
    expect(known.get(id(1))?.level, 'counts although it is not written').to.equal('trusted')
    expect(errorCode(known.storeError)).to.equal('ERR_KNOWN_PEERS_STORE')
    await clock.advance(300_000)
    expect(store.saves, 'at growing intervals').to.be.within(8, 12)
    expect(logged(logger, 'warn'), 'one line').to.have.length(1)
    expect(await code(known.stop())).to.equal('ERR_KNOWN_PEERS_STORE')
    expect(known.get(id(1))?.level).to.equal('trusted')
    store.broken = undefined
    await clock.advance(60_000)
    expect(store.stored.map(({ peerId }) => peerId)).to.deep.equal([id(1)])
    expect(known.storeError).to.equal(undefined)
    await known.stop()
    expect(clock.pending, 'timers').to.equal(0)
  })

  it('do not wait for a store that hangs, nor write beside it', async () => {
    const { clock, store, known } = subject()
    await known.start()
    let open = (): void => {}
    store.gate = new Promise((resolve) => {
      open = resolve
    })
    const first = code(known.remember(trusted(1)))
    await clock.advance(10_000)
    expect(await first).to.equal('ERR_KNOWN_PEERS_STORE')
    const second = code(known.remember(trusted(2)))
    expect(await second).to.equal('ERR_KNOWN_PEERS_STORE')
    expect(store.saves).to.equal(1)
    open()
    await clock.advance(60_000)
    expect(store.stored).to.have.length(2)
    await known.stop()
  })

  it('do not start, nor overwrite anything, when the store cannot be read', async () => {
    const { store, known } = subject()
    store.broken = new Error('damaged')
    expect(await code(known.start())).to.equal('ERR_KNOWN_PEERS_STORE')
    expect(() => known.seen({ peerId: id(1), name: '' })).to.throw(TypeError, 'started first')
    expect(await code(known.remember(trusted(1)))).to.equal('TypeError')
    await known.stop()
    expect(store.saves).to.equal(0)
    store.broken = undefined
    const entry = { ...trusted(1), since: 1, lastSeen: 2 }
    for (const stored of [
      undefined,
      {},
      [null],
      [{ ...entry, peerId: 'x' }],
      [{ ...entry, level: 'friend' }],
      [{ ...entry, since: 'yesterday' }],
      [{ ...entry, lastAddress: 7 }],
      [entry, entry]
    ]) {
      store.stored = stored as unknown as KnownPeer[]
      expect(await code(known.start()), JSON.stringify(stored)).to.equal('ERR_KNOWN_PEERS_STORE')
    }
    store.stored = [entry]
    await known.start()
    expect(known.get(id(1))).to.deep.equal(entry)
  })

  it('take over what somebody else has changed in the store, and keep what is changed here meanwhile', async () => {
    const { store, known } = subject()
    await known.start()
    for (const index of [1, 2, 3]) await known.remember(trusted(index))
    store.stored = store.stored.map((peer) => (peer.peerId === id(1) ? { ...peer, level: 'blocked' } : peer))
    let loaded = (): void => {}
    const gate = new Promise<void>((resolve) => {
      loaded = resolve
    })
    store.load = async () => {
      const { stored } = store
      await gate
      return stored
    }
    const reloading = Promise.all([known.reload(), known.reload()])
    await settle()
    const meanwhile = [known.remember({ ...trusted(2), name: 'newer' }), known.forget(id(3)), known.remember(trusted(4))]
    known.seen({ peerId: id(5), name: '' })
    loaded()
    await Promise.all([reloading, ...meanwhile])
    expect(known.list.current.map(({ peerId, level, name }) => [Number.parseInt(peerId, 16), level, name])).to.have.deep.members([
      [1, 'blocked', 'Till 1'],
      [2, 'trusted', 'newer'],
      [4, 'trusted', 'Till 4'],
      [5, 'restricted', '']
    ])
    await known.stop()
    expect(store.stored).to.have.deep.members([...known.list.current])
    expect(await code(known.reload())).to.equal('TypeError')
    expect(await code(new KnownPeers().reload())).to.equal(undefined)
  })

  it('keep the latest strangers, and strangers push out nobody else', async () => {
    for (const maxStrangers of [NaN, -1]) expect(() => new KnownPeers({ maxStrangers })).to.throw(TypeError)
    const { known, ids } = subject({ maxStrangers: 3 })
    await known.start()
    await known.remember(trusted(1))
    await known.remember({ ...trusted(2), level: 'blocked' })
    for (const index of [3, 4, 5, 3, 6]) known.seen({ peerId: id(index), name: '' })
    expect(ids()).to.deep.equal([1, 2, 5, 3, 6])
    for (let index = 100; index < 10_000; index++) known.seen({ peerId: id(index), name: '' })
    expect(ids()).to.deep.equal([1, 2, 9_997, 9_998, 9_999])
    await known.remember({ ...trusted(1), level: 'restricted' })
    expect(ids()).to.deep.equal([2, 9_998, 9_999, 1])
  })

  it('have a bound for those that were decided on', async () => {
    const { known } = subject()
    const plain = new KnownPeers({ clock: manualClock() })
    for (let index = 0; index < 10_000; index++) void plain.remember({ ...trusted(index), level: 'blocked' })
    expect(await code(plain.remember({ ...trusted(10_000), level: 'blocked' }))).to.equal('ERR_KNOWN_PEERS_FULL')
    expect(await code(plain.remember(trusted(1))), 'one that is known').to.equal(undefined)
    await known.start()
  })

  it('can be watched, and work without a store', async () => {
    const clock = manualClock()
    const known = new KnownPeers({ clock })
    const told: number[] = []
    known.list.onChange((peers) => told.push(peers.length))
    known.seen({ peerId: id(1), name: '' })
    await known.remember(trusted(2))
    await settle()
    await known.forget(id(1))
    await settle()
    expect(told.at(-1)).to.equal(1)
    await known.stop()
    expect(known.list.current).to.have.length(1)
    for (const wrong of ['', 'x', id(1).toUpperCase().replace('0', 'G')])
      expect(await code(known.remember({ ...trusted(1), peerId: wrong })), wrong).to.equal('TypeError')
    expect(clock.pending).to.equal(0)
  })
})
