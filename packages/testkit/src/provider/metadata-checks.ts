import assert from 'node:assert/strict'
import type { Runner } from '../runner.ts'
import { metadataOf, sameMetadata } from './bench.ts'
import type { ProviderBench, Subject } from './bench.ts'
import { inEveryState } from './lifecycle-checks.ts'

type Entries = Readonly<Record<string, string | Uint8Array>>

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
  'UTF-8': { name: 'Käthe 店' }
}

/** What peers tell about themselves. */
export function metadataChecks(
  bench: () => ProviderBench,
  runner: Runner,
  capabilities: { readonly publishes: boolean; readonly metadata: boolean; readonly metadataUpdates: boolean }
): void {
  const { describe, it } = runner
  const shows = async (subject: Subject, id: string, entries: Entries): Promise<void> => {
    await bench().eventually('the metadata to arrive', () =>
      sameMetadata(subject.context.peers.get(id)?.metadata ?? new Map([['missing', bytes(0, 1)]]), metadataOf(entries))
    )
  }

  describe('metadata', () => {
    inEveryState(bench, runner, capabilities.publishes, 'ignores monitorMetadata of an unknown peer', async (subject) => {
      const { length } = subject.context.events
      subject.provider.monitorMetadata('nobody', true)
      subject.provider.monitorMetadata('nobody', false)
      assert.deepEqual(
        subject.context.events.slice(length).filter((event) => event.type === 'metadata'),
        []
      )
    })
    if (!capabilities.metadata) {
      it('reports none', async () => {
        const subject = await bench().browser()
        await bench().service('shop', { metadata: { _DID: 'abc' } })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await bench().caughtUp(subject)
        assert.equal(subject.context.peers.get(id)?.metadata.size, 0)
      })
      return
    }
    for (const [title, entries] of Object.entries(samples)) {
      it(`carries ${title}`, async () => {
        const subject = await bench().browser()
        await bench().service('shop', { metadata: entries })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await shows(subject, id, entries)
      })
    }
    if (capabilities.publishes) {
      inEveryState(
        bench,
        runner,
        capabilities.publishes,
        'rejects updateMetadata with ERR_PD_NOT_PUBLISHING',
        async (subject) => {
          const error = await bench().rejection(subject.provider.updateMetadata(metadataOf({ a: '1' })), 'updateMetadata')
          assert.equal((error as { code?: unknown }).code, 'ERR_PD_NOT_PUBLISHING')
        },
        (state) => !state.endsWith('publishing') || state.startsWith('no longer')
      )
    }
    if (capabilities.publishes) {
      it('shows the newest metadata to late browsers', async () => {
        const service = await bench().service('shop', { metadata: { a: '1', b: '1' } })
        await service.updateMetadata(metadataOf({ a: '2' }))
        const subject = await bench().browser()
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await shows(subject, id, { a: '2' })
      })
    }
    if (!capabilities.metadataUpdates) {
      it('reports no changes', async () => {
        const subject = await bench().browser()
        const service = await bench().service('shop', { metadata: { a: '1' } })
        const { id } = await bench().finds(subject, 'shop')
        subject.provider.monitorMetadata(id, true)
        await shows(subject, id, { a: '1' })
        await service.updateMetadata(metadataOf({ a: '2' }))
        await bench().caughtUp(subject)
        await shows(subject, id, { a: '1' })
      })
      return
    }
    it('notices changes of a monitored peer, in order, while it stays online', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop', { metadata: { a: '1', b: '1' } })
      const { id } = await bench().finds(subject, 'shop')
      subject.provider.monitorMetadata(id, true)
      await shows(subject, id, { a: '1', b: '1' })
      for (const entries of [{ a: '2', b: '1' }, { a: '2', b: '1', c: '1' }, { c: '1' }, {}, { a: '3' }]) {
        await service.updateMetadata(metadataOf(entries))
        await shows(subject, id, entries)
      }
      assert.deepEqual(
        subject.context.events.filter((event) => event.type === 'lost'),
        []
      )
    })
    it('arrives at the last of several quick changes', async () => {
      const subject = await bench().browser()
      const service = await bench().service('shop', { metadata: { n: '0' } })
      const { id } = await bench().finds(subject, 'shop')
      subject.provider.monitorMetadata(id, true)
      for (let count = 1; count <= 5; count++) await service.updateMetadata(metadataOf({ n: String(count) }))
      await shows(subject, id, { n: '5' })
    })
  })
}
