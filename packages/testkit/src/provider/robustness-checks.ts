import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { assertCode, nothingMoreThan, plain } from '../explain.ts'
import type { ProviderCapabilities } from '@kithmesh/core'
import { leftOver, openHandles } from '../open-handles.ts'
import { needing } from '../runner.ts'
import type { DeclaringRunner } from '../runner.ts'
import { metadataOf, namedPeers, statusIs } from './bench.ts'
import type { ProviderBench, Subject } from './bench.ts'

const NO_PUBLISHING = 'the provider does not publish'

/** What goes wrong under pressure: calls that cross, what is reported, errors, things left behind. */
export function robustnessChecks(bench: () => ProviderBench, runner: DeclaringRunner, capabilities: Readonly<ProviderCapabilities>): void {
  const { describe, it } = runner
  const publishing = needing(runner, capabilities.publishes, NO_PUBLISHING)
  const publish = (subject: Subject, displayName: string): Promise<void> =>
    subject.provider.startPublishing({ displayName, port: 4984, metadata: metadataOf({}) })

  describe('calls that cross', () => {
    publishing.it('is found when it publishes again while it stops', async () => {
      const publisher = bench().subject()
      await bench().publish(publisher, 'before')
      const [stopped, started] = [publisher.provider.stopPublishing(), publish(publisher, 'after')]
      await bench().settles(Promise.all([stopped, started]), 'stop and start')
      statusIs(publisher, 'publish', 'online')
      await bench().finds(await bench().browser(), 'after')
    })
    it('finds what comes when it browses again while it stops', async () => {
      const subject = await bench().browser()
      await bench().settles(Promise.all([subject.provider.stopBrowsing(), subject.provider.startBrowsing()]), 'stop and start')
      statusIs(subject, 'browse', 'online')
      await bench().service('shop')
      await bench().finds(subject, 'shop')
    })
    publishing.it('browses and publishes when both are started at once', async () => {
      const [one, other] = [bench().subject(), bench().subject()]
      await bench().settles(
        Promise.all([one.provider.startBrowsing(), publish(one, 'one'), publish(other, 'other'), other.provider.startBrowsing()]),
        'four starts'
      )
      await bench().finds(one, 'other')
      await bench().finds(other, 'one')
    })
    publishing.it('leaves one publication after several quick rounds', async () => {
      const publisher = bench().subject()
      for (let round = 0; round < 3; round++) {
        await bench().publish(publisher, 'shop')
        await bench().settles(publisher.provider.stopPublishing(), 'stopPublishing')
      }
      await bench().publish(publisher, 'shop')
      const subject = await bench().browser()
      await bench().finds(subject, 'shop')
      await bench().caughtUp(subject)
      await bench().eventually('one to be left', () => namedPeers(subject, 'shop').length === 1)
    })
    it('settles a start that shutdown comes across', async () => {
      const subject = bench().subject()
      const starts = [subject.provider.startBrowsing(), ...(capabilities.publishes ? [publish(subject, 'shop')] : [])]
      const started = Promise.allSettled(starts)
      await bench().settles(subject.provider.shutdown(), 'shutdown')
      await bench().settles(started, 'the starts')
      assert.notEqual(subject.context.status('browse'), 'online', 'browsing is online after shutdown')
      assert.notEqual(subject.context.status('publish'), 'online', 'publishing is online after shutdown')
    })
    needing(publishing, capabilities.metadata, 'the provider carries no metadata').it(
      'settles an update that a stop comes across',
      async () => {
        const publisher = bench().subject()
        await bench().publish(publisher, 'shop')
        const [updated] = await bench().settles(
          Promise.allSettled([publisher.provider.updateMetadata(metadataOf({ a: '1' })), publisher.provider.stopPublishing()]),
          'update and stop'
        )
        if (updated?.status === 'rejected') assertCode(updated.reason, 'updateMetadata')
        statusIs(publisher, 'publish', 'offline')
      }
    )
    it('settles a resolveUrl that shutdown comes across', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      const pending = Promise.allSettled([subject.provider.resolveUrl(id, { signal: new AbortController().signal })])
      await bench().settles(subject.provider.shutdown(), 'shutdown')
      await bench().settles(pending, 'resolveUrl')
    })
  })

  describe('reports', () => {
    it('are of whole sightings', async () => {
      const subject = await bench().browser()
      await bench().service('shop', { metadata: { a: '1' } })
      await bench().finds(subject, 'shop')
      for (const event of subject.context.events) {
        if (event.type !== 'found') continue
        for (const { id, displayName, metadata } of event.sightings) {
          assert.ok(typeof id === 'string' && id !== '', 'a sighting has no id')
          assert.equal(typeof displayName, 'string', 'displayName is no string')
          if (metadata === undefined) continue
          assert.ok(metadata instanceof Map, 'metadata is no Map')
          for (const value of metadata.values()) assert.ok(value instanceof Uint8Array, 'a value is no Uint8Array')
        }
      }
    })
    needing(runner, capabilities.reportsDisappearance, 'the provider does not report that peers vanish').it(
      'lose only what was found',
      async () => {
        const subject = await bench().browser()
        const service = await bench().service('shop')
        const { id } = await bench().finds(subject, 'shop')
        await service.withdraw()
        await bench().loses(subject, id)
        const found = new Set<string>()
        for (const event of subject.context.events) {
          if (event.type === 'found') for (const sighting of event.sightings) found.add(sighting.id)
          if (event.type === 'lost') for (const lost of event.ids) assert.ok(found.has(lost), `${lost} was lost and never found`)
        }
      }
    )
    it('name the same service by the same id again', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      await bench().settles(subject.provider.stopBrowsing(), 'stopBrowsing')
      await bench().settles(subject.provider.startBrowsing(), 'startBrowsing')
      assert.equal((await bench().finds(subject, 'shop')).id, id, 'the same service has another id after a restart of browsing')
    })
    it('reach each of two browsers', async () => {
      const [one, other] = [await bench().browser(), await bench().browser()]
      await bench().service('shop')
      await bench().finds(one, 'shop')
      await bench().finds(other, 'shop')
    })
    it('end for one browser when it stops, and go on for another', async () => {
      const [one, other] = [await bench().browser(), await bench().browser()]
      await bench().settles(one.provider.stopBrowsing(), 'stopBrowsing')
      await bench().service('shop')
      await bench().finds(other, 'shop')
      assert.equal(namedPeers(one, 'shop').length, 0, 'a peer was reported after stopBrowsing')
    })
    const describing = needing(publishing, capabilities.metadata, 'the provider carries no metadata')
    /** A map of one value, given to `use` and changed in the same turn: what the provider does in a later one must not see it. */
    const changedAtOnce = (value: number, use: (metadata: Map<string, Uint8Array>) => Promise<void>): Promise<void> => {
      const metadata = new Map([['a', Uint8Array.of(value)]])
      const used = use(metadata)
      metadata.set('a', Uint8Array.of(98))
      metadata.set('b', Uint8Array.of(99))
      return used
    }
    const showsValue = async (value: number): Promise<void> => {
      const subject = await bench().browser()
      const { id } = await bench().finds(subject, 'shop')
      subject.provider.monitorMetadata(id, true)
      await bench().shows(subject, id, { a: Uint8Array.of(value) })
    }
    describing.it('show what was published, whatever the publisher does with its map', async () => {
      const { provider } = bench().subject()
      const published = changedAtOnce(1, (metadata) => provider.startPublishing({ displayName: 'shop', port: 4984, metadata }))
      await bench().settles(published, 'startPublishing')
      await showsValue(1)
    })
    describing.it('show what it was changed to, whatever the publisher does with that map', async () => {
      const { provider } = bench().subject()
      const published = provider.startPublishing({ displayName: 'shop', port: 4984, metadata: new Map([['a', Uint8Array.of(1)]]) })
      await bench().settles(published, 'startPublishing')
      await bench().settles(
        changedAtOnce(2, (metadata) => provider.updateMetadata(metadata)),
        'updateMetadata'
      )
      await showsValue(2)
    })
    it('do not come of machines that only browse', async () => {
      const [subject, silent] = [await bench().browser(), await bench().browser()]
      await bench().caughtUp(subject)
      assert.deepEqual([...subject.context.namesSeen], ['marker'], 'a machine was found that publishes nothing')
      statusIs(silent, 'publish', 'offline')
    })
    it('offer one signalling channel, the same every time', async () => {
      const subject = await bench().browser()
      const first = subject.provider.signalingChannel?.()
      assert.equal(subject.provider.signalingChannel?.(), first, 'signalingChannel() returned another one the second time')
    })
  })

  describe('errors', () => {
    it('of resolveUrl say what happened, with a hint', async () => {
      const subject = await bench().browser()
      const error = await bench().rejection(
        subject.provider.resolveUrl('nobody', { signal: new AbortController().signal }),
        'resolveUrl of an unknown id'
      )
      helpful(error, 'resolveUrl')
    })
    publishing.it('of updateMetadata say what happened, with a hint', async () => {
      helpful(await bench().rejection(bench().subject().provider.updateMetadata(metadataOf({})), 'updateMetadata'), 'updateMetadata')
    })
    it('of an aborted resolveUrl are the reason, whatever it is', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      for (const reason of ['a string', { no: 'error' }])
        assert.equal(
          await bench().rejection(subject.provider.resolveUrl(id, { signal: AbortSignal.abort(reason) }), 'resolveUrl'),
          reason,
          'it did not reject with signal.reason as it is'
        )
    })
  })

  describe('nothing is left behind', () => {
    it('on the signal of resolveUrl', async () => {
      const subject = await bench().browser()
      await bench().service('shop')
      const { id } = await bench().finds(subject, 'shop')
      const { signal } = new AbortController()
      await bench().settles(subject.provider.resolveUrl(id, { signal }), 'resolveUrl')
      await bench().rejection(subject.provider.resolveUrl('nobody', { signal }), 'resolveUrl of an unknown id')
      await nextTurn()
      assert.equal(getEventListeners(signal, 'abort').length, 0, 'listeners are left on the signal: remove them when the call is settled')
    })
    it('by a provider that was made and never used', async () => {
      const before = await openHandles()
      const subject = bench().subject()
      const left = await leftOver(before)
      assert.equal(left, undefined, `create() opened something: ${left}`)
      await bench().settles(subject.provider.shutdown(), 'shutdown')
    })
    it('by a provider that was shut down', async () => {
      const before = await openHandles()
      const subject = await bench().browser()
      if (capabilities.publishes) await bench().publish(subject, 'shop')
      await bench().settles(subject.provider.shutdown(), 'shutdown')
      await bench().eventuallyAsync('handles of the provider, and of servers of the fixture, to be closed', () => nothingMoreThan(before))
    })
  })
}

function helpful(error: unknown, what: string): void {
  const { message, hint } = error as { readonly message?: unknown; readonly hint?: unknown }
  assertCode(error, what)
  assert.match(String(message), /^[^\n\r]*\S[^\n\r]*$/, `the message of the error is not one line: ${plain(error)}`)
  assert.ok(typeof hint === 'string' && hint.trim() !== '', `the error has no hint: ${plain(error)}`)
}
