import { EventEmitter } from 'node:events'
import { expect } from 'chai'
import type { GattClient } from '../dist/central/gatt-client.js'
import { MetadataNews } from '../dist/central/metadata-news.js'
import type { CharacteristicLike } from '../dist/library/noble-like.js'

describe('news of metadata', () => {
  it('leave nothing behind on a link that stays, however often somebody begins and ends to watch', async () => {
    const listeners = new Set<unknown>()
    let fails = false
    const link = {
      onClosed: (listener: unknown) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      }
    }
    const gatt = {
      link,
      readMetadata: async () => Buffer.of(1),
      subscribe: async () => {
        if (fails) throw new Error('it does not answer')
      },
      unsubscribe: () => {}
    }
    const characteristic = new EventEmitter()
    const news = new MetadataNews(
      gatt as unknown as GattClient,
      { port: undefined, metadata: undefined, stream: undefined },
      characteristic as unknown as CharacteristicLike
    )
    const listener = { metadata: () => {}, ended: () => {} }
    const { signal } = new AbortController()
    for (let times = 0; times < 3; times++) {
      const end = await news.add(listener, signal)
      expect(characteristic.listenerCount('data')).to.equal(1)
      end()
      fails = true
      expect(await news.add(listener, signal).catch((error: Error) => error.message)).to.equal('it does not answer')
      fails = false
    }
    expect([listeners.size, characteristic.listenerCount('data')]).to.deep.equal([0, 0])
  })
})
