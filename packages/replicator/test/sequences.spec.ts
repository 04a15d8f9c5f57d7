import { expect } from 'chai'
import type { IncomingRequest } from '@kithmesh/blip'
import { BlipPair } from './support/blip-pair.ts'
import { MemoryStore } from './support/memory-store.ts'
import { activeSession } from './support/sessions.ts'

describe('sequences that are no numbers', () => {
  /** One pull from a peer that has one document at this sequence; returns what it was asked and told. */
  const pull = async (store: MemoryStore, checkpoint: object, sequence: string, noRev = false) => {
    const pair = new BlipPair()
    const seen: { since?: string | undefined; saved?: Record<string, unknown> } = {}
    const answers: Record<string, (request: IncomingRequest) => void> = {
      getCollections: (request) => {
        request.respond({ body: Buffer.from(JSON.stringify([checkpoint])) })
      },
      setCheckpoint: (request) => {
        seen.saved = JSON.parse(request.body.toString()) as Record<string, unknown>
        request.respond({ properties: { rev: '0-1' } })
      },
      subChanges: (request) => {
        seen.since = request.properties['since']
        request.respond()
        const properties = { collection: '0' }
        pair.b.request({ profile: 'changes', properties, body: Buffer.from(`[[${sequence},"doc","1-aa"]]`) }, () => {
          const named = { ...properties, id: 'doc', rev: '1-aa', sequence }
          if (noRev) pair.b.request({ profile: 'norev', properties: { ...named, error: '404' }, noReply: true })
          else pair.b.request({ profile: 'rev', properties: named, body: Buffer.from('{}'), noReply: true })
          pair.b.request({ profile: 'changes', properties, body: Buffer.from('null'), noReply: true })
        })
      }
    }
    for (const [profile, answer] of Object.entries(answers)) pair.b.handle(profile, answer)
    const active = activeSession(pair.a, store, { push: false })
    active.session.start()
    const { error } = await active.ended
    if (error !== undefined) throw error
    return seen
  }

  for (const sequence of ['"20::35"', '"12:34"', '"1:2:3"', '17'])
    it(`such as ${sequence} go back as they came`, async () => {
      const store = new MemoryStore()
      const first = await pull(store, {}, sequence)
      expect(first.since).to.equal(undefined)
      expect(JSON.stringify(first.saved?.['remote'])).to.equal(sequence)
      expect(store.default.json('doc')).to.deep.equal({})
      const { since } = await pull(store, { ...first.saved, _rev: '0-1' }, sequence)
      expect(since).to.equal(sequence)
    })

  it('are done with when word comes that the revision cannot be had', async () => {
    const { saved } = await pull(new MemoryStore(), {}, '"20::35"', true)
    expect(saved?.['remote']).to.equal('20::35')
  })
})
