import assert from 'node:assert/strict'
import { errorCode } from '@kithmesh/core'
import { plain } from '../explain.ts'
import { needing } from '../runner.ts'
import type { DeclaringRunner } from '../runner.ts'
import { metadataOf, namedPeers } from './bench.ts'
import type { ProviderBench } from './bench.ts'

/** Who finds whom, and when. */
export function discoveryChecks(
  bench: () => ProviderBench,
  runner: DeclaringRunner,
  capabilities: { readonly publishes: boolean; readonly reportsDisappearance: boolean }
): void {
  const { describe, it } = runner
  describe('finding', () => {
    it('finds a service that was there before', async () => {
      await bench().service('shop')
      await bench().finds(await bench().browser(), 'shop')
    })
    it('finds a service that comes later', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      await bench().finds(subject, 'shop')
    })
    it('reports peers only while browsing is online', async () => {
      await bench().service('early')
      const subject = await bench().browser()
      await bench().finds(subject, 'early')
      await bench().service('late')
      await bench().finds(subject, 'late')
      await bench().settles(subject.provider.stopBrowsing(), 'stopBrowsing')
      let online = false
      for (const event of subject.context.events) {
        if (event.type === 'status' && event.mode === 'browse') online = event.status.state === 'online'
        if (event.type === 'found') assert.ok(online, 'peersFound was called while browsing was not online')
      }
    })
    it('finds 20 services, early and late', async () => {
      const names = Array.from({ length: 20 }, (_value, index) => `till-${String.fromCharCode(97 + index)}`)
      const early = await bench().browser()
      await Promise.all(names.map((name) => bench().service(name)))
      const late = await bench().browser()
      for (const subject of [early, late]) {
        for (const name of names) await bench().finds(subject, name)
        // A provider that goes by silence may lose one for a moment where the machine stalls; one too many is wrong at any time.
        await bench().eventually('all 20 to be there at once', () => subject.context.peers.size >= 20)
        assert.equal(subject.context.peers.size, 20, `there are ${subject.context.peers.size} peers instead of the 20 that were published`)
      }
    })
    it('tells apart services of the same name', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      await bench().service('shop')
      const found = await bench().eventually('both to be found', () => {
        const peers = namedPeers(subject, 'shop')
        return peers.length === 2 && peers
      })
      assert.notEqual(found[0]?.id, found[1]?.id, 'two services have one id')
    })
    it('keeps non-ASCII and dotted names', async () => {
      const subject = await bench().browser()
      await bench().service('Käthe’s till 2.5 店')
      await bench().finds(subject, 'Käthe’s till 2.5 店')
    })
    it('keeps two media apart', async () => {
      const other = await bench().another()
      try {
        const here = await bench().browser()
        const there = await other.browser()
        await bench().service('here')
        await other.service('there')
        await bench().finds(here, 'here')
        await other.finds(there, 'there')
        await bench().caughtUp(here)
        await other.caughtUp(there)
        assert.equal(
          here.context.namesSeen.has('there') || there.context.namesSeen.has('here'),
          false,
          'a service of one fixture was found in another: create() of the harness has to make a fresh medium each time'
        )
      } finally {
        await other[Symbol.asyncDispose]()
      }
    })
  })

  describe('groups', () => {
    const others = ['com.example', 'com.example.shop.two', 'com-example-shop', 'comexampleshop', 'shop']
    it('finds only services of its own group', async () => {
      const subject = await bench().browser()
      for (const [index, group] of others.entries()) {
        const foreign = await bench().browser({ group })
        await bench().service(`foreign-${index}`, { group })
        await bench().finds(foreign, `foreign-${index}`)
      }
      await bench().caughtUp(subject)
      assert.deepEqual([...subject.context.namesSeen], ['marker'], 'services of another peer group were found, or none of its own')
    })
    for (const group of ['a', 'com.example.', 'x'.repeat(63), 'Läden & Söhne', 'a.b-c_d\'e"f/g']) {
      it(`carries the group ${JSON.stringify(group)}`, async () => {
        const subject = await bench().browser({ group })
        await bench().service('shop', { group })
        await bench().finds(subject, 'shop')
      })
    }
  })

  publishingChecks(bench, needing(runner, capabilities.publishes, 'the provider does not publish'), capabilities.reportsDisappearance)
  if (!capabilities.publishes) {
    describe('without publishing', () => {
      it('rejects startPublishing with ERR_PD_UNSUPPORTED', async () => {
        const { provider } = bench().subject()
        const error = await bench().rejection(
          provider.startPublishing({ displayName: 'shop', port: 4984, metadata: metadataOf({}) }),
          'startPublishing'
        )
        assert.equal(
          errorCode(error),
          'ERR_PD_UNSUPPORTED',
          `it rejected with ${plain(error)} and not with ERR_PD_UNSUPPORTED of coreErrors`
        )
      })
      it('takes stopPublishing as done', async () => {
        await bench().settles(bench().subject().provider.stopPublishing(), 'stopPublishing')
      })
    })
  }

  describe('disappearance', () => {
    const vanishing = needing(runner, capabilities.reportsDisappearance, 'the provider does not report that peers vanish')
    if (!capabilities.reportsDisappearance) {
      runner.it('reports no peer as lost', async () => {
        const subject = await bench().browser()
        const service = await bench().service('shop')
        await bench().finds(subject, 'shop')
        await service.withdraw()
        await bench().caughtUp(subject)
        assert.deepEqual(
          subject.context.events.filter((event) => event.type === 'lost'),
          []
        )
      })
    }
    const { it } = vanishing
    it('notices a withdrawn service', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      await service.withdraw()
      await bench().loses(subject, id)
    })
    it('notices one of two namesakes leaving, and keeps the other', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop')
      const first = await bench().finds(subject, 'shop')
      await bench().service('shop')
      await bench().eventually('both to be found', () => namedPeers(subject, 'shop').length === 2)
      await service.withdraw()
      await bench().loses(subject, first.id)
      assert.equal(namedPeers(subject, 'shop').length, 1, 'the other one of the same name is gone, too')
    })
    it('finds a service again that left and returned', async () => {
      const subject = await bench().browser()
      for (let round = 0; round < 2; round++) {
        const service = await bench().service('shop')
        const { id } = await bench().finds(subject, 'shop')
        await service.withdraw()
        await bench().loses(subject, id)
      }
    })
  })
}

function publishingChecks(bench: () => ProviderBench, runner: DeclaringRunner, reportsDisappearance: boolean): void {
  const { describe, it } = runner
  describe('publishing', () => {
    for (const order of ['publish first', 'browse first'] as const) {
      it(`never finds itself (${order})`, async () => {
        const subject = bench().subject()
        const witness = await bench().browser()
        if (order === 'browse first') await bench().settles(subject.provider.startBrowsing(), 'startBrowsing')
        await bench().publish(subject, 'own')
        if (order === 'publish first') await bench().settles(subject.provider.startBrowsing(), 'startBrowsing')
        await bench().finds(witness, 'own')
        await bench().caughtUp(subject)
        assert.deepEqual([...subject.context.namesSeen], ['marker'], 'the provider found itself: leave out what has context.localPeerId')
      })
    }
    it('lets two providers find each other', async () => {
      const a = await bench().browser()
      const b = await bench().browser()
      await bench().publish(a, 'alpha')
      await bench().publish(b, 'beta')
      await bench().finds(a, 'beta')
      await bench().finds(b, 'alpha')
    })
    it('is found again after stopPublishing and startPublishing', async () => {
      const subject = await bench().browser()
      const publisher = bench().subject()
      await bench().publish(publisher, 'before')
      await bench().finds(subject, 'before')
      await bench().settles(publisher.provider.stopPublishing(), 'stopPublishing')
      await bench().publish(publisher, 'after')
      await bench().finds(subject, 'after')
    })
    it('is no longer found by late browsers after stopPublishing', async () => {
      const service = await bench().service('gone')
      const witness = await bench().browser()
      await bench().finds(witness, 'gone')
      await service.withdraw()
      const subject = await bench().browser()
      await bench().caughtUp(subject)
      if (reportsDisappearance) await bench().eventually('the withdrawn service to be gone', () => namedPeers(subject, 'gone').length === 0)
      else assert.equal(namedPeers(subject, 'gone').length, 0)
    })
    needing(runner, reportsDisappearance, 'the provider does not report that peers vanish').it(
      'withdraws the publication on shutdown',
      async () => {
        const subject = await bench().browser()
        const publisher = bench().subject()
        await bench().publish(publisher, 'shop')
        const { id } = await bench().finds(subject, 'shop')
        await bench().settles(publisher.provider.shutdown(), 'shutdown')
        await bench().loses(subject, id)
      }
    )
  })
}
