import assert from 'node:assert/strict'
import { errorCode } from '@kithmesh/core'
import { plain } from '../explain.ts'
import { needing } from '../runner.ts'
import type { DeclaringRunner } from '../runner.ts'
import { metadataOf } from './bench.ts'
import type { Entries, ProviderBench } from './bench.ts'
import { inEveryState } from './lifecycle-checks.ts'

const bytes = (from: number, count: number): Uint8Array => Uint8Array.from({ length: count }, (_value, index) => from + index)

/** Written in one publication each; the titles appear as test names. */
const samples: Readonly<Record<string, Entries>> = {
  'one value': { _DID: 'abc' },
  'no entries': {},
  'several values': { a: '1', b: '2', 'a longer key!': '3' },
  'an empty value': { a: '', b: 'x' },
  'every byte value': { low: bytes(0, 128), high: bytes(128, 128) },
  'a value of 200 bytes': { big: 'x'.repeat(200) },
  'an equals sign in a value': { formula: 'a=b=c' },
  'UTF-8': { name: 'Käthe 店' },
  'keys that mean something to JavaScript': Object.fromEntries([
    ['__proto__', 'a'],
    ['constructor', 'b'],
    ['toString', 'c']
  ]),
  'twenty keys': Object.fromEntries(Array.from({ length: 20 }, (_value, index) => [`k${index}`, 'v']))
}

/** What peers tell about themselves. */
export function metadataChecks(
  bench: () => ProviderBench,
  runner: DeclaringRunner,
  capabilities: { readonly publishes: boolean; readonly metadata: boolean; readonly metadataUpdates: boolean }
): void {
  const { describe } = runner
  describe('metadata', () => {
    inEveryState(bench, runner, capabilities.publishes, 'ignores monitorMetadata of an unknown peer', async (subject) => {
      const { length } = subject.context.events
      subject.provider.monitorMetadata('nobody', true)
      subject.provider.monitorMetadata('nobody', false)
      assert.deepEqual(
        subject.context.events.slice(length).filter((event) => event.type === 'metadata'),
        [],
        'metadata of an unknown peer was reported'
      )
    })
    if (!capabilities.metadata) {
      runner.it('reports none', async () => {
        const subject = await bench().browser()
        await bench().service('shop', { metadata: { _DID: 'abc' } })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await bench().caughtUp(subject)
        assert.equal(subject.context.peers.get(id)?.metadata.size, 0, 'metadata was reported, and the capability metadata is false')
      })
    }
    const carrying = needing(runner, capabilities.metadata, 'the provider carries no metadata')
    const { it } = carrying
    for (const [title, entries] of Object.entries(samples)) {
      it(`carries ${title}`, async () => {
        const subject = await bench().browser()
        await bench().service('shop', { metadata: entries })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await bench().shows(subject, id, entries)
      })
    }
    inEveryState(
      bench,
      needing(carrying, capabilities.publishes, 'the provider does not publish'),
      capabilities.publishes,
      'rejects updateMetadata with ERR_PD_NOT_PUBLISHING',
      async (subject) => {
        const error = await bench().rejection(subject.provider.updateMetadata(metadataOf({ a: '1' })), 'updateMetadata')
        assert.equal(
          errorCode(error),
          'ERR_PD_NOT_PUBLISHING',
          `it rejected with ${plain(error)} and not with ERR_PD_NOT_PUBLISHING of coreErrors`
        )
      },
      (state) => !state.endsWith('publishing') || state.startsWith('no longer')
    )
    {
      const { it } = needing(carrying, capabilities.publishes, 'the provider does not publish')
      it('shows the newest metadata to late browsers', async () => {
        const service = await bench().service('shop', { metadata: { a: '1', b: '1' } })
        await service.updateMetadata(metadataOf({ a: '2' }))
        const subject = await bench().browser()
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await bench().shows(subject, id, { a: '2' })
      })
    }
    if (capabilities.metadata && !capabilities.metadataUpdates) {
      it('reports no changes', async () => {
        const subject = await bench().browser()
        const service = await bench().service('shop', { metadata: { a: '1' } })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await bench().shows(subject, id, { a: '1' })
        await service.updateMetadata(metadataOf({ a: '2' }))
        await bench().caughtUp(subject)
        await bench().shows(subject, id, { a: '1' })
      })
    }
    const updating = needing(carrying, capabilities.metadataUpdates, 'the provider does not notice changes of metadata')
    updating.it('notices changes of a monitored peer, in order, while it stays online', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop', { metadata: { a: '1', b: '1' } })
      const { id } = await bench().finds(subject, 'shop')
      subject.provider.monitorMetadata(id, true)
      await bench().shows(subject, id, { a: '1', b: '1' })
      for (const entries of [{ a: '2', b: '1' }, { a: '2', b: '1', c: '1' }, { c: '1' }, {}, { a: '3' }]) {
        await service.updateMetadata(metadataOf(entries))
        await bench().shows(subject, id, entries)
      }
      assert.deepEqual(
        subject.context.events.filter((event) => event.type === 'lost'),
        [],
        'a change of metadata was reported as a loss'
      )
    })
    updating.it('arrives at the last of several quick changes', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop', { metadata: { n: '0' } })
      const { id } = await bench().finds(subject, 'shop')
      subject.provider.monitorMetadata(id, true)
      for (let count = 1; count <= 5; count++) await service.updateMetadata(metadataOf({ n: String(count) }))
      await bench().shows(subject, id, { n: '5' })
    })
  })
}
