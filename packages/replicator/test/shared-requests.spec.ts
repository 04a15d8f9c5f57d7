import { SharedRequests } from '@kithmesh/replicator'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { BlipPair } from './support/blip-pair.ts'
import type { Seen } from './support/blip-pair.ts'
import { describeInBothSchemes } from './support/both-schemes.ts'
import { digestOf } from './support/memory-store.ts'
import { activeSession, passiveSession } from './support/sessions.ts'
import type { Running } from './support/sessions.ts'
import { SimulatedPeer } from './support/simulated-peer.ts'

interface Neighbour {
  readonly peer: SimulatedPeer
  readonly pair: BlipPair
  readonly ours: Running
  readonly theirs: Running
}

describeInBothSchemes('what sessions of one database ask for', ({ versioning }) => {
  for (const caller of ['us', 'them'] as const) {
    describe(caller === 'us' ? 'of peers that they call' : 'of peers that call', () => {
      let time = 1_000_000
      let us: SimulatedPeer
      let shared: SharedRequests
      const pairs: BlipPair[] = []

      beforeEach(async () => {
        us = await SimulatedPeer.create(versioning)
        shared = new SharedRequests()
      })
      afterEach(async () => {
        for (const pair of pairs.splice(0)) pair.cut()
        await us.database.close()
      })

      /** A neighbour that has the documents already, and a connection that delivers what the test lets it. */
      const neighbour = async (from?: SimulatedPeer): Promise<Neighbour> => {
        const peer = await SimulatedPeer.create(versioning)
        if (from !== undefined) await copy(from, peer)
        const pair = new BlipPair(false)
        pairs.push(pair)
        const now = (): number => time
        const settings = { now, sharedRequests: shared }
        const active = (own: SimulatedPeer, more: object): Running => {
          const running = activeSession(pair.a, own.store, { continuous: true, now, ...more })
          running.session.start()
          return running
        }
        const theirs = caller === 'us' ? passiveSession(pair.b, peer.store, { now }) : active(peer, { remoteUid: 'us' })
        const ours =
          caller === 'us' ? active(us, { remoteUid: `peer ${pairs.length}`, ...settings }) : passiveSession(pair.b, us.store, settings)
        return { peer, pair, ours, theirs }
      }
      const copy = async (from: SimulatedPeer, to: SimulatedPeer): Promise<void> => {
        const pair = new BlipPair()
        passiveSession(pair.b, to.store)
        const active = activeSession(pair.a, from.store, { pull: false })
        active.session.start()
        expect((await active.ended).error).to.equal(undefined)
      }
      const fromUs = caller === 'us' ? 'A>B' : 'B>A'
      const profile = caller === 'us' ? 'changes' : 'proposeChanges'

      /** Delivers all that is under way, both ways, until `stop` says that the next message to us is not to come. */
      const deliver = async ({ pair }: Neighbour, stop = (): boolean => false): Promise<void> => {
        for (let quiet = 0; quiet < 20; quiet++) {
          while (pair.pending > 0 && !stop()) {
            quiet = 0
            pair.deliver(pair.pending % 2 === 0 ? 'a' : 'b')
          }
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
        }
      }
      const requests = ({ pair }: Neighbour, name: string, ids = false): Seen[] =>
        pair.seen.filter((m) => m.type === 'REQ' && m.profile === name && (!ids || m.body.length > 2))
      /** Our answers to lists that name something. */
      const answers = (who: Neighbour): string[] => {
        const lists = requests(who, profile, true).map(({ number }) => number)
        return who.pair.seen
          .filter((m) => m.type === 'RES' && m.dir === fromUs && lists.includes(m.number))
          .map((m) => m.body.toString())
          .slice(-lists.length)
      }
      const revs = (who: Neighbour): number => requests(who, 'rev').length
      /** Up to the first revision being sent to us, and not delivered. */
      const asked = async (who: Neighbour): Promise<void> => {
        await deliver(who, () => revs(who) > 0)
        expect(revs(who)).to.be.greaterThan(0)
      }
      const ids = (peer: SimulatedPeer): string[] => Object.keys(peer.snapshot())
      const tick = (...who: Neighbour[]): void => {
        for (const { ours, theirs } of who) {
          ours.session.tick(time)
          theirs.session.tick(time)
        }
      }
      const source = async (count = 3): Promise<SimulatedPeer> => {
        const peer = await SimulatedPeer.create(versioning)
        for (let i = 0; i < count; i++) peer.put(`doc${i}`, { i })
        return peer
      }

      it('comes over one link: the other list is answered when it is stored, and nothing is told back', async () => {
        const first = await neighbour(await source())
        const second = await neighbour(first.peer)
        await asked(first)
        await deliver(second)
        expect(requests(second, profile, true)).to.have.length(1)
        expect(revs(second)).to.equal(0)
        expect(answers(second)).to.deep.equal([])
        await deliver(first)
        expect(ids(us)).to.deep.equal(['doc0', 'doc1', 'doc2'])
        await deliver(second)
        expect(answers(second)).to.have.length(1)
        expect(revs(second)).to.equal(0)
        const back = caller === 'us' ? 'proposeChanges' : 'changes'
        expect(requests(second, back, true).map(({ body }) => body.toString())).to.deep.equal([])
        expect(requests(first, back, true).map(({ body }) => body.toString())).to.deep.equal([])
        tick(first, second)
        await deliver(second)
        expect(second.ours.session.activity).to.equal('idle')
      })

      it('is asked for elsewhere when its session ends', async () => {
        const first = await neighbour(await source())
        const second = await neighbour(first.peer)
        await asked(first)
        await deliver(second)
        expect(revs(second)).to.equal(0)
        first.pair.cut()
        await deliver(second)
        expect(revs(second)).to.equal(3)
        expect(ids(us)).to.deep.equal(['doc0', 'doc1', 'doc2'])
      })

      it('is asked for elsewhere when it cannot be had', async () => {
        const first = await neighbour(await source(1))
        const second = await neighbour(first.peer)
        // A list is under way that names what is purged before the answer comes.
        await deliver(first, () => requests(first, profile, true).length > 0)
        first.peer.database.collection().purge('doc0')
        await deliver(first, () => requests(first, 'norev').length > 0)
        expect(requests(first, 'norev')).to.have.length(1)
        await deliver(second)
        expect(revs(second)).to.equal(0)
        await deliver(first)
        await deliver(second)
        expect(revs(second)).to.equal(1)
        expect(ids(us)).to.deep.equal(['doc0'])
      })

      it('is waited for five seconds; after that nobody waits for that session for a while', async () => {
        const first = await neighbour(await source())
        const second = await neighbour(first.peer)
        await asked(first)
        await deliver(second)
        time += 4_000
        tick(first, second)
        await deliver(second)
        expect(revs(second)).to.equal(0)
        time += 1_000
        tick(first, second)
        await deliver(second)
        expect(revs(second)).to.equal(3)
        expect(ids(us)).to.deep.equal(['doc0', 'doc1', 'doc2'])
        // What the slow one asks for next is asked for here at once.
        await deliver(first)
        first.peer.put('later', { n: 1 })
        await deliver(first, () => revs(first) > 3)
        await copy(first.peer, second.peer)
        await deliver(second)
        expect(ids(us)).to.include('later')
        expect(revs(second)).to.equal(4)
      })

      it('counts as under way while its blobs are missing', async () => {
        const origin = await SimulatedPeer.create(versioning)
        const bytes = Buffer.from('some blob')
        const blob = await origin.database.blobs.saveBlob(bytes, 'text/plain')
        origin.put('doc', { blob })
        const first = await neighbour(origin)
        const second = await neighbour(origin)
        await deliver(first, () => requests(first, 'getAttachment').length > 0)
        expect(requests(first, 'getAttachment')).to.have.length(1)
        await deliver(second)
        expect(revs(second)).to.equal(0)
        await deliver(first)
        await eventually('the document', () => us.store.blobs.has(digestOf(bytes)) && ids(us).length === 1)
        await deliver(second)
        expect(answers(second)).to.have.length(1)
        expect(revs(second)).to.equal(0)
      })

      it('holds up no list that names nothing of it', async () => {
        const first = await neighbour(await source())
        await asked(first)
        const other = await SimulatedPeer.create(versioning)
        other.put('another', { v: 1 })
        const second = await neighbour(other)
        await deliver(second)
        expect(ids(us)).to.deep.equal(['another'])
        await deliver(first)
        expect(ids(us)).to.have.length(4)
      })

      it('is of no matter to sessions that share nothing, nor to those of other collections', () => {
        const one = shared.join('_default', 'a', () => {})
        const two = shared.join('_default', 'b', () => {})
        one.begin('doc', '1-a', 0)
        expect(two.isElsewhere('doc', '1-a', 0)).to.equal(false)
        const three = shared.join('_default', 'a', () => {})
        expect(three.isElsewhere('doc', '1-a', 0)).to.equal(true)
        expect(three.isElsewhere('doc', '1-b', 0)).to.equal(false)
        expect(one.isElsewhere('doc', '1-a', 0)).to.equal(false)
      })
    })
  }
})
