import { expect } from 'chai'
import fc from 'fast-check'
import { Database } from '@kithmesh/database'
import { within } from '@kithmesh/testkit'
import { World, converged, linked } from '../world.ts'

// | row | here | and |
// |---|---|---|
// | 21, CBL-7985, 8236, 8475 stop and restart | any order of start, stop, write and disposal, whatever is under way | life-cycle.spec.ts |
// | CBL-8188 deadlock on closing a database | the database closes right after stop, in the middle of replication | packages/replicator/test/replicator-life.spec.ts |
// | CBL-8246 filters not applied | options.spec.ts, whoever dials | packages/replicator/test/filters.spec.ts |
// | CBL-8359 close frame not echoed | packages/websocket/test | |
// | CBL-8395 equal generations | sync.spec.ts (three edit one document at once) | packages/database/test, tests/sim |

describe('a mesh that is stopped and started (peers.md §2 row 21, multipeer.md §5)', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('survives any order of calls, and works afterwards', async () => {
    const [stays] = await world.started(['stays'])
    const restless = await world.peer('restless')
    let documents = 0
    const calls = {
      start: () => void restless.mesh.start().catch(() => {}),
      stop: () => void restless.mesh.stop().catch(() => {}),
      write: () => void restless.database.collection().put(`r${documents++}`, {}),
      writeThere: () => void stays!.database.collection().put(`s${documents++}`, {}),
      talk: () =>
        void restless.mesh
          .channel(stays!.id)
          .send('x')
          .catch(() => {}),
      turn: () => {}
    }
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...(Object.keys(calls) as (keyof typeof calls)[])), { maxLength: 20 }), async (names) => {
        for (const name of names) {
          calls[name]()
          await new Promise((resolve) => setImmediate(resolve))
        }
        await within(restless.mesh.stop(), 30_000, 'stop')
        expect(restless.mesh.links).to.deep.equal([])
      }),
      { numRuns: 15 }
    )
    await restless.mesh.start()
    await linked([stays!, restless])
    restless.database.collection().put('last', {})
    await converged([stays!, restless], documents + 1)
  })

  it('lets go of its database at once, in the middle of replication', async () => {
    const [stays] = await world.started(['stays'])
    for (let n = 0; n < 2000; n++) stays!.database.collection().put(`doc-${n}`, { text: 'x'.repeat(500) })
    for (let round = 0; round < 3; round++) {
      const database = await Database.open(':memory:')
      const peer = await world.peer(`peer ${round}`, { database })
      await peer.mesh.start()
      while (peer.mesh.statistics.documentsIn < 1) await new Promise((resolve) => setImmediate(resolve))
      await within(world.leave(peer), 30_000, 'leaving and closing the database')
    }
  })
})
