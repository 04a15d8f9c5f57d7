import { expect } from 'chai'
import type { ConflictResolver, FilteredDocument } from '@kithmesh/replicator'
import { eventually } from '@kithmesh/testkit'
import { GatewayClient } from './support/gateway-client.ts'
import { GatewayError } from './support/scripted-gateway/store.ts'

describe('access to documents of a gateway', () => {
  let client: GatewayClient

  beforeEach(async () => {
    client = await GatewayClient.open()
    client.gateway.store.grant('alice', 'a')
    client.gateway.store.grant('alice', 'b')
  })
  afterEach(async () => {
    await client.close()
  })

  const put = (id: string, ...channels: string[]): string => client.gateway.store.put(id, { id, channels })
  const ids = (): string[] => Object.keys(client.documents).sort()
  const lost = (): string[] =>
    client.events.flatMap(({ id, accessRemoved, error }) => (accessRemoved === true ? [`${id}${error === undefined ? '' : ' kept'}`] : []))

  describe('by channels', () => {
    it('is asked for with the filter of the gateway, and only those documents come', async () => {
      put('one', 'a')
      put('two', 'b')
      put('three', 'c')
      const { error } = await client.run({ collections: [{ channels: ['a'] }] })
      expect(error).to.equal(undefined)
      expect(ids()).to.deep.equal(['one'])
      expect(client.gateway.requests('subChanges')[0]?.properties).to.include({ filter: 'sync_gateway/bychannel', channels: 'a' })
      await client.run()
      expect(ids()).to.deep.equal(['one', 'two'])
      expect(client.gateway.requests('subChanges')[1]?.properties).to.not.have.any.keys('filter', 'channels', 'since')
    })

    it('has a checkpoint for each choice of channels', async () => {
      put('one', 'a')
      await client.run({ collections: [{ channels: ['b', 'a'] }] })
      await client.run({ collections: [{ channels: ['a', 'b'] }] })
      expect(client.gateway.requests('subChanges').map(({ properties }) => properties['since'])).to.deep.equal([undefined, '3'])
      expect(client.gateway.store.checkpoints.size).to.equal(1)
    })

    it('needs names that can be sent', () => {
      for (const channels of [[], [''], ['a,b']])
        expect(() => client.replicator({ collections: [{ channels }] })).to.throw(TypeError, 'channels')
    })
  })

  describe('that is lost', () => {
    it('has a document purged that left its channels, with an event and without asking for it', async () => {
      put('one', 'a')
      put('two', 'a')
      await client.runOn()
      expect(ids()).to.deep.equal(['one', 'two'])
      const before = client.gateway.requests('rev').length
      put('one', 'elsewhere')
      await eventually('the purge', () => lost().length > 0)
      expect(ids()).to.deep.equal(['two'])
      expect(client.database.collection().get('one', { deleted: true })).to.equal(undefined)
      expect(lost()).to.deep.equal(['one'])
      expect(client.gateway.requests('rev')).to.have.length(before)
    })

    it('has the documents of a revoked channel purged, and brings them back when it is granted again', async () => {
      put('one', 'a')
      put('both', 'a', 'b')
      put('two', 'b')
      await client.run()
      client.gateway.store.revoke('alice', 'a')
      const { error } = await client.run()
      expect(error).to.equal(undefined)
      expect(ids()).to.deep.equal(['both', 'two'])
      client.gateway.store.grant('alice', 'a')
      await client.run()
      expect(ids()).to.deep.equal(['both', 'one', 'two'])
      // Back-fill comes with compound sequences, which go back as they came.
      put('three', 'a')
      client.gateway.seen.length = 0
      await client.run()
      const since = client.gateway.requests('subChanges')[0]?.properties['since']
      expect(JSON.parse(since ?? '')).to.match(/^\d+:\d+$/)
      expect(ids()).to.include('three')
      expect(client.errors()).to.deep.equal([])
    })

    it('does not concern tombstones that left their channels: they are ordinary ones', async () => {
      put('one', 'a')
      await client.runOn()
      client.gateway.store.put('one', {}, { deleted: true })
      await eventually('the deletion', () => client.database.collection().get('one') === undefined)
      expect(client.database.collection().get('one', { deleted: true })?.deleted).to.equal(true)
      expect(lost()).to.deep.equal([])
    })

    it('is told and nothing more without autoPurge', async () => {
      put('one', 'a')
      await client.run({ autoPurge: false })
      client.gateway.store.revoke('alice', 'a')
      await client.run({ autoPurge: false })
      expect(ids()).to.deep.equal(['one'])
      expect(lost()).to.deep.equal(['one'])
      expect(client.errors()).to.deep.equal([])
    })

    it('is subject to the pull filter, which sees an empty body and the flag', async () => {
      put('keep', 'a')
      put('drop', 'a')
      const seen: FilteredDocument[] = []
      const pullFilter = (document: FilteredDocument): boolean => {
        if (document.accessRemoved) seen.push(document)
        return !document.accessRemoved || document.id === 'drop'
      }
      await client.run({ collections: [{ pullFilter }] })
      client.gateway.store.revoke('alice', 'a')
      await client.run({ collections: [{ pullFilter }] })
      expect(ids()).to.deep.equal(['keep'])
      expect(seen.map(({ id, body, deleted }) => ({ id, body, deleted }))).to.deep.equal([
        { id: 'keep', body: {}, deleted: false },
        { id: 'drop', body: {}, deleted: false }
      ])
      expect(client.errors()).to.deep.equal(['keep ERR_REPL_DOC_REJECTED'])
      expect(lost()).to.deep.equal(['keep kept', 'drop'])
    })

    it('has the documents kept when the pull filter throws', async () => {
      put('one', 'a')
      const collections = [
        {
          pullFilter: ({ accessRemoved }: FilteredDocument): boolean => {
            if (accessRemoved) throw new Error('broken')
            return true
          }
        }
      ]
      await client.run({ collections })
      client.gateway.store.revoke('alice', 'a')
      const { error } = await client.run({ collections })
      expect(error).to.equal(undefined)
      expect(ids()).to.deep.equal(['one'])
      expect(client.errors()).to.deep.equal(['one ERR_REPL_FILTER'])
    })

    it('does not lose local changes silently: such a document stays and is reported', async () => {
      put('edited', 'a')
      put('removed', 'a')
      put('clean', 'a')
      await client.run({ type: 'pull' })
      client.database.collection().put('edited', { mine: true })
      client.database.collection().remove('removed')
      client.gateway.store.revoke('alice', 'a')
      await client.run({ type: 'pull' })
      expect(client.documents).to.deep.equal({ edited: { mine: true } })
      expect(client.database.collection().get('removed', { deleted: true })?.deleted).to.equal(true)
      expect(client.errors()).to.have.members(['edited ERR_REPL_DOC_KEPT', 'removed ERR_REPL_DOC_KEPT'])
      expect(client.events.at(-1)).to.include({ accessRemoved: true })
      expect(lost()).to.have.members(['edited kept', 'removed kept', 'clean'])
    })

    it('has a document with local changes purged once the gateway has them', async () => {
      put('edited', 'a')
      await client.run()
      client.database.collection().put('edited', { mine: true })
      client.gateway.store.revoke('alice', 'a')
      const { error } = await client.run()
      expect(error).to.equal(undefined)
      expect(client.gateway.store.currentOf('edited')?.body).to.deep.equal({ mine: true })
      expect(ids()).to.deep.equal([])
      expect(lost().at(-1)).to.equal('edited')
    })

    describe('of a document with local changes that the gateway takes in a later session', () => {
      const refusing = (): void => {
        client.gateway.store.syncFunction = () => {
          throw new GatewayError(403, 'missing channel access')
        }
      }

      beforeEach(async () => {
        put('edited', 'a')
        put('clean', 'a')
        await client.run()
        const { syncFunction } = client.gateway.store
        refusing()
        client.database.collection().put('edited', { mine: true })
        client.gateway.store.revoke('alice', 'a')
        await client.run()
        expect(client.documents).to.deep.equal({ edited: { mine: true } })
        expect(lost()).to.have.members(['edited kept', 'clean'])
        client.gateway.store.syncFunction = syncFunction
        client.events.length = 0
      })

      it('has it purged then', async () => {
        client.database.collection().put('edited', { mine: 'more' })
        expect((await client.run()).error).to.equal(undefined)
        expect(client.gateway.store.currentOf('edited')?.body).to.deep.equal({ mine: 'more' })
        expect(client.documents).to.deep.equal({})
        expect(lost()).to.deep.equal(['edited'])
        // It is not meant any more.
        client.database.collection().put('edited', { anew: true })
        await client.run()
        await client.run()
        expect(client.documents).to.deep.equal({ edited: { anew: true } })
      })

      it('has it purged by the next pull when a replicator that only pushes brought them over', async () => {
        client.database.collection().put('edited', { mine: 'more' })
        await client.run({ type: 'push' })
        expect(client.documents).to.deep.equal({ edited: { mine: 'more' } })
        await client.run()
        expect(client.documents).to.deep.equal({})
        expect(lost()).to.deep.equal(['edited'])
      })

      it('leaves it as it is while the gateway refuses them, without saying so again', async () => {
        refusing()
        client.database.collection().put('edited', { mine: 'more' })
        for (let n = 0; n < 2; n++) await client.run()
        expect(client.documents).to.deep.equal({ edited: { mine: 'more' } })
        expect(lost()).to.deep.equal([])
      })

      it('does not concern a document that is announced again meanwhile', async () => {
        client.gateway.store.grant('alice', 'a')
        client.database.collection().put('edited', { mine: 'later', channels: ['a'] })
        for (let n = 0; n < 3; n++) await client.run()
        expect(client.documents['edited']).to.deep.equal({ mine: 'later', channels: ['a'] })
        expect(lost()).to.deep.equal([])
      })

      it('does not concern a document that was purged and made anew meanwhile', async () => {
        client.database.collection().purge('edited')
        client.database.collection().put('edited', { anew: true })
        for (let n = 0; n < 3; n++) await client.run()
        expect(lost()).to.deep.equal([])
        expect(client.database.collection().get('edited')).to.not.equal(undefined)
      })

      it('leaves it without autoPurge', async () => {
        client.database.collection().put('edited', { mine: 'more' })
        await client.run({ autoPurge: false })
        expect(client.documents).to.deep.equal({ edited: { mine: 'more' } })
      })
    })

    it('in the middle of a conflict waits for its end', async () => {
      put('doc', 'a')
      await client.run()
      client.gateway.store.put('doc', { v: 'theirs', channels: ['a'] })
      client.database.collection().put('doc', { v: 'mine' })
      const conflictResolver: ConflictResolver = async () => {
        client.gateway.store.revoke('alice', 'a')
        await eventually('the report', () => client.errors().length > 0)
        return { take: 'local' }
      }
      await client.runOn({ collections: [{ conflictResolver }] })
      await eventually('the purge', () => ids().length === 0)
      expect(client.gateway.store.currentOf('doc')?.body).to.deep.equal({ v: 'mine' })
      expect(client.errors()).to.deep.equal(['doc ERR_REPL_DOC_KEPT'])
    })

    it('and a purge by the application during a conflict end it without an error', async () => {
      put('doc', 'a')
      await client.run()
      client.gateway.store.put('doc', { v: 'theirs', channels: ['a'] })
      client.database.collection().put('doc', { v: 'mine' })
      const conflictResolver: ConflictResolver = () => {
        client.database.collection().purge('doc')
        return { take: 'local' }
      }
      expect((await client.run({ collections: [{ conflictResolver }] })).error).to.equal(undefined)
      expect(client.errors()).to.deep.equal([])
    })

    it('keeps a document whose changes the gateway refuses', async () => {
      put('edited', 'a')
      await client.run()
      client.gateway.store.syncFunction = () => {
        throw new GatewayError(403, 'missing channel access')
      }
      client.database.collection().put('edited', { mine: true })
      client.gateway.store.revoke('alice', 'a')
      const { error } = await client.run()
      expect(error).to.equal(undefined)
      expect(client.documents).to.deep.equal({ edited: { mine: true } })
      expect(client.errors()).to.include('edited ERR_REPL_DOC_KEPT')
    })
  })
})
