import { expect } from 'chai'
import { type DiagnosticMessages, onDiagnostic } from '@kithmesh/core'
import { Diagnostics } from '@kithmesh/core/plugin'
import { pinnedPeers } from '@kithmesh/identity'
import type { MeshConflict } from '@kithmesh/mesh'
import { eventually } from '@kithmesh/testkit'
import { Totals } from '../dist/engine/totals.js'
import { type TestPeer, World, converged, isUp, linkTo, linked } from './world.ts'

describe('the diagnostics of a mesh', () => {
  let world: World
  const ends: (() => void)[] = []
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    for (const end of ends.splice(0)) end()
    await world.end()
  })

  /** What one device tells. */
  const listen = <Name extends keyof DiagnosticMessages>(name: Name, peer?: TestPeer): DiagnosticMessages[Name][] => {
    const messages: DiagnosticMessages[Name][] = []
    ends.push(
      onDiagnostic(name, (message) => {
        if (peer === undefined || message.localPeerId === peer.id) messages.push(message)
      })
    )
    return messages
  }

  it('tells of each state of a link, with what was before', async () => {
    const [left, right] = await Promise.all([world.peer('left'), world.peer('right')])
    const messages = listen('kithmesh:link.state', left)
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await linked([left, right])
    await eventually('the link to be told idle', () => messages.at(-1)?.state === 'idle')
    expect(messages[0]?.previous).to.equal(undefined)
    for (const [index, message] of messages.entries())
      expect(message).to.deep.include({
        peerGroupId: 'com.example.test',
        localPeerId: left.id,
        deviceId: right.id,
        previous: messages[index - 1]?.state
      })
    expect(messages.at(-1)).to.deep.include({ route: linkTo(left, right)?.route, quality: 'direct', error: undefined })
    await world.leave(right)
    await eventually('the device to be told gone', () => messages.at(-1)?.state === 'gone')
    expect(messages.at(-1)).to.deep.include({ deviceId: right.id, route: undefined, direction: undefined })
  })

  it('tells of documents in both directions, without their content', async () => {
    const [left, right] = await world.started(['left', 'right'])
    await linked([left!, right!])
    const messages = listen('kithmesh:documents', left)
    left!.database.collection().put('from-left', { secret: 'of the left one' })
    right!.database.collection().put('from-right', { secret: 'of the right one' })
    await converged([left!, right!], 2)
    await eventually('both to be told', () => messages.flatMap(({ documents }) => documents).length === 2)
    const documents = new Map(messages.flatMap((message) => message.documents).map((document) => [document.id, document]))
    expect(documents.get('from-left')).to.deep.include({ direction: 'out', scope: '_default', collection: '_default', error: undefined })
    expect(documents.get('from-right')).to.deep.include({ direction: 'in', deleted: false, transient: false })
    expect(messages.at(-1)?.traffic).to.deep.equal(linkTo(left!, right!)?.traffic)
    expect(messages[0]).to.be.frozen
    expect(JSON.stringify(messages)).not.to.include('of the')
  })

  it('tells how conflicts are decided, by the default and by a resolver, and when one fails', async () => {
    const conflicts = listen('kithmesh:conflict')
    let fails = true
    const collections = [
      '_default',
      {
        name: 'merged',
        conflictResolver: ({ local, remote }: MeshConflict) => {
          if (fails) throw new Error('cannot decide')
          return { take: 'merged' as const, body: { ...local.body, ...remote.body } }
        }
      }
    ]
    const [left, right] = await Promise.all([world.peer('left', { collections }), world.peer('right', { collections })])
    for (const { database } of [left, right]) database.collection('merged', '_default', { create: true })
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await linked([left, right])
    await Promise.all([left.mesh.stop(), right.mesh.stop()])
    for (const [name, peer] of [['left', left] as const, ['right', right] as const])
      for (const collection of ['_default', 'merged']) peer.database.collection(collection).put('doc', { [name]: 1, by: name })
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await eventually('a decision and a failure', () => {
      const taken = conflicts.map((conflict) => conflict.taken)
      return taken.some((each) => each === 'local' || each === 'remote') && taken.includes(undefined)
    })
    const decided = conflicts.find(({ collection }) => collection === '_default')
    expect(decided).to.deep.include({ id: 'doc', scope: '_default', error: undefined })
    expect([left.id, right.id]).to.include(decided?.deviceId)
    const failed = conflicts.find(({ taken }) => taken === undefined)
    expect(failed).to.deep.include({ collection: 'merged', id: 'doc' })
    expect(failed?.error?.code).to.equal('ERR_REPL_RESOLVER')
    fails = false
    await Promise.all([left.mesh.stop(), right.mesh.stop()])
    await Promise.all([left.mesh.start(), right.mesh.start()])
    await eventually('the merge', () => conflicts.some(({ taken }) => taken === 'merged'))
    expect(JSON.stringify(conflicts)).not.to.include('"by"')
  })

  it('tells who was refused, on both sides', async () => {
    const refusals = listen('kithmesh:trust.refused')
    const stranger = await world.peer('stranger')
    const strict = await world.peer('strict', { authenticator: pinnedPeers(['00'.repeat(32)]) })
    await Promise.all([strict.mesh.start(), stranger.mesh.start()])
    const of = (peer: TestPeer): DiagnosticMessages['kithmesh:trust.refused'][] =>
      refusals.filter(({ localPeerId }) => localPeerId === peer.id)
    await eventually('both to tell', () => of(strict).length > 0 && of(stranger).length > 0)
    expect(of(strict)[0]).to.deep.include({ by: 'local', deviceId: stranger.id })
    expect(of(strict)[0]?.error.code).to.equal('ERR_IDENTITY_UNTRUSTED')
    expect(of(strict)[0]?.error.hint).to.be.a('string')
    expect(of(stranger)[0]).to.deep.include({ by: 'remote', deviceId: strict.id })
    expect(of(stranger)[0]?.error.code).to.equal('ERR_MESH_REFUSED')
  })

  it('looks at nothing and disturbs nothing while nobody listens, and when subscribers throw', async () => {
    const silent = new Diagnostics({ peerGroupId: 'g', localPeerId: '00'.repeat(32), clock: { now: () => 0 } as never })
    expect(silent.wants('kithmesh:link.state')).to.equal(false)
    for (const name of ['kithmesh:link.state', 'kithmesh:documents', 'kithmesh:device.changed'] as const)
      ends.push(
        onDiagnostic(name, () => {
          throw new Error('a bad subscriber')
        })
      )
    const [left, right] = await world.started(['left', 'right'])
    left!.database.collection().put('doc', {})
    await converged([left!, right!], 1)
    expect(isUp(linkTo(left!, right!))).to.equal(true)
  })
})

describe('what moved with each device', () => {
  const counting = (documentsPulled: number): { statistics: never } => ({
    statistics: {
      documentsPulled,
      documentsPushed: 1,
      bytesPulled: 10,
      blobBytesPulled: 5,
      bytesPushed: 2,
      blobBytesPushed: 1,
      conflictsResolved: 1
    } as never
  })

  it('adds up over connections, and is forgotten for those that have not been connected for longest', () => {
    const totals = new Totals()
    const [first, second] = [counting(1), counting(2)]
    totals.begin('a', first)
    totals.begin('a', second)
    totals.end(first)
    totals.end(first)
    expect(totals.of('a')).to.deep.equal({ documentsIn: 3, documentsOut: 2, bytesIn: 30, bytesOut: 6 })
    totals.end(second)
    for (let n = 0; n < 1_024; n++) {
      const one = counting(1)
      totals.begin(`device-${n}`, one)
      totals.end(one)
    }
    expect(totals.of('a').documentsIn).to.equal(0)
    expect(totals.of('device-0').documentsIn).to.equal(1)
    expect(totals.sum().documentsIn).to.equal(3 + 1_024)
  })
})
