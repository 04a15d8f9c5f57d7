import { createServer } from 'node:net'
import { once } from 'node:events'
import { expect } from 'chai'
import { errorCode, isKithmeshError } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { eventually, fastClock } from '@kithmesh/testkit'
import { type TestPeer, World, converged, linkTo, linked } from '../world.ts'

// Rows of peers.md §2 about absence, and what covers them:
//
// | row | here | and |
// |---|---|---|
// | 3 silent failure | every device that is seen has a state, and an error with a hint when there is no link | packages/core/test (route reports), `discovery.explain` |
// | 12 loading for ever | documents are there before, while and after a mesh starts; a device that never answers is said to be so | life-cycle.spec.ts (starting, stopping) |
// | 13 no authentication | trust.spec.ts (nobody unknown gets in, whoever dials) | tests/e2e/cli/trust.spec.mjs |
// | 17 no real example | every code block of the README is compiled and run by the checks | |
// | 18 no sync until a write | on connecting, on starting, on reconnecting | |

describe('a device that is seen (peers.md §2 rows 3, 12 and 18)', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('and not reached has a state and a reason that a user can act on (row 3)', async () => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await once(silent, 'listening')
    try {
      const [peer] = await world.started(['peer'], { clock: fastClock(20) })
      const ghost = await createIdentity({ commonName: 'ghost' })
      const mute = await createIdentity({ commonName: 'mute' })
      const [service] = world.medium.services
      const port = (silent.address() as { port: number }).port
      const claim = (peerId: string) => new Map([['_PID', Buffer.from(peerId)]])
      world.medium.announce({ ...service!, displayName: 'ghost', port: 1, peerId: ghost.peerId, metadata: claim(ghost.peerId) })
      world.medium.announce({ ...service!, displayName: 'mute', port, peerId: mute.peerId, metadata: claim(mute.peerId) })
      const errorOf = (name: string) => peer!.mesh.links.find(({ displayName }) => displayName === name)?.error
      await eventually('both to say why there is no link', () => errorOf('ghost') !== undefined && errorOf('mute') !== undefined)
      for (const name of ['ghost', 'mute']) {
        const error = errorOf(name)
        expect(isKithmeshError(error) && error.hint)
          .to.be.a('string')
          .that.is.not.equal('')
      }
      expect(errorCode(errorOf('ghost'))).to.equal('ERR_ROUTE_FAILED')
    } finally {
      silent.close()
    }
  })

  it('keeps nobody from the documents that are here, before, while and after the mesh starts (row 12)', async () => {
    const peer = await world.peer('peer')
    const documents = peer.database.collection()
    documents.put('one', { n: 1 })
    const starting = peer.mesh.start()
    expect(documents.get('one')?.body).to.deep.equal({ n: 1 })
    await starting
    documents.put('two', {})
    await peer.mesh.stop()
    expect([...documents.changes()].map(({ id }) => id)).to.deep.equal(['one', 'two'])
  })

  it('is replicated with on connecting, on starting and on reconnecting, without a write (row 18)', async () => {
    const left = await world.peer('left')
    const right = await world.peer('right')
    left.database.collection().put('on connecting', {})
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await converged([left, right], 1)
    await right.mesh.stop()
    right.database.collection().put('on starting', {})
    await right.mesh.start()
    await converged([left, right], 2)
    const reconnected = async (write: TestPeer): Promise<void> => {
      await linked([left, right])
      left.mesh.channel(right.id).disconnect('reconnect')
      write.database.collection().put(`on reconnecting, by ${write.name}`, {})
      await eventually('the link to be there again', () => linkTo(left, right)?.state === 'idle')
    }
    await reconnected(left)
    await reconnected(right)
    await converged([left, right], 4)
  })
})
