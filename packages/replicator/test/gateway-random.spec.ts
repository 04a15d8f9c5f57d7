import { expect } from 'chai'
import fc from 'fast-check'
import { GatewayClient } from './support/gateway-client.ts'

type Step =
  | { readonly do: 'put here' | 'remove here' | 'remove there'; readonly doc: number }
  | { readonly do: 'put there'; readonly doc: number; readonly channels: readonly string[] }
  | { readonly do: 'grant' | 'revoke'; readonly channel: string }
  | { readonly do: 'replicate' }

const CHANNELS = ['a', 'b', 'c'] as const
const doc = fc.nat({ max: 4 })
const channel = fc.constantFrom('a', 'b')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant('put there' as const), doc, channels: fc.subarray([...CHANNELS]) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('put here' as const, 'remove here' as const, 'remove there' as const), doc }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('grant' as const, 'revoke' as const), channel }) },
  { weight: 2, arbitrary: fc.constant({ do: 'replicate' as const }) }
)

describe('edits, conflicts and access that comes and goes, at random', () => {
  let client: GatewayClient | undefined
  let over = false
  afterEach(async () => {
    over = true
    await client?.close()
    client = undefined
  })

  const replicate = async (): Promise<void> => {
    const { error } = (await client?.run()) ?? {}
    if (error !== undefined) throw error
  }

  function take(next: Step, count: number): Promise<void> | void {
    const { gateway, database } = client as GatewayClient
    const { store } = gateway
    const here = database.collection()
    switch (next.do) {
      case 'put there':
        store.put(`doc-${next.doc}`, { there: count, channels: next.channels })
        return
      case 'remove there':
        if (store.currentOf(`doc-${next.doc}`)?.deleted === false) store.put(`doc-${next.doc}`, {}, { deleted: true })
        return
      case 'put here': {
        const body = here.get(`doc-${next.doc}`)?.body as object | undefined
        if (body !== undefined) here.put(`doc-${next.doc}`, { ...body, here: count })
        return
      }
      case 'remove here':
        here.remove(`doc-${next.doc}`)
        return
      case 'grant':
        store.grant('alice', next.channel)
        return
      case 'revoke':
        store.revoke('alice', next.channel)
        return
      case 'replicate':
        return replicate()
    }
  }

  it('end with the documents that one may see, and those kept for changes that the gateway does not have', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 25 }), async (steps) => {
        if (over) return
        await client?.close()
        client = await GatewayClient.open()
        client.gateway.store.grant('alice', 'a')
        let count = 0
        for (const next of steps) await take(next, count++)
        for (let i = 0; i < 3; i++) await replicate()
        const { gateway, database, events } = client
        const { store } = gateway
        const visible = Object.fromEntries(
          [...store.documents.values()]
            .filter((each) => store.currentOf(each.id)?.deleted === false && store.user('alice').sees(each))
            .map(({ id, current }) => [id, current])
        )
        const kept = new Set(events.flatMap(({ id, error }) => (error?.code === 'ERR_REPL_DOC_KEPT' ? [id] : [])))
        const held = Object.fromEntries([...database.collection().documents()].map(({ id, revId }) => [id, revId]))
        for (const [id, revId] of Object.entries(visible)) expect(held[id], `${id}, which one may see`).to.equal(revId)
        for (const id of Object.keys(held)) expect(id in visible || kept.has(id), `${id} is here without reason`).to.equal(true)
      }),
      { numRuns: 30 }
    )
  })
})
