import { expect } from 'chai'
import type { ConnectionReport } from '@kithmesh/core'
import type { Mesh, MeshLink } from '@kithmesh/mesh'
import { SyncReport } from '../dist/sync-report.js'
import { makeIo } from './support/command.ts'

/** The parts of a mesh that the report looks at. */
class FakeMesh {
  links: MeshLink[] = []
  statistics = { documentsIn: 1, documentsOut: 2, bytesIn: 3000, bytesOut: 4000, conflicts: 5 }
  changed: (() => void) | undefined
  documents: Parameters<Mesh['onDocuments']>[0] | undefined

  onChanged(listener: () => void): () => void {
    this.changed = listener
    return () => {
      this.changed = undefined
    }
  }

  onDocuments(listener: Parameters<Mesh['onDocuments']>[0]): () => void {
    this.documents = listener
    return () => {
      this.documents = undefined
    }
  }
}

const link = (change: Partial<MeshLink> = {}): MeshLink => ({
  deviceId: 'ab'.repeat(32),
  displayName: 'store',
  state: 'idle',
  direction: 'outgoing',
  route: 'direct 10.0.0.1:1',
  quality: 'direct',
  error: undefined,
  traffic: { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 },
  ...change
})
const event = { direction: 'pull' as const, collection: { scope: '_default', name: '_default' }, id: 'pen', revId: '1-ab', deleted: false }

describe('the report of a running sync', () => {
  const facts = { name: 'shop', peerId: 'cd'.repeat(32), group: 'g', port: 1, versioning: 'rev-trees' }
  const make = (
    json: boolean,
    interactive = false,
    started = true
  ): { mesh: FakeMesh; report: SyncReport; out: () => string; err: () => string } => {
    const mesh = new FakeMesh()
    const { io, stdout, stderr } = makeIo({ interactive })
    const report = new SyncReport(io, mesh as unknown as Mesh, json)
    if (started) report.started(facts)
    const before = stdout.text.length
    return { mesh, report, out: () => stdout.text.slice(before), err: () => stderr.text }
  }

  it('tells of the start before what happened meanwhile, once', () => {
    const { mesh, report, out } = make(true, false, false)
    mesh.links = [link()]
    mesh.changed?.()
    mesh.documents?.('ab'.repeat(32), [event])
    report.provider('MQTT', { state: 'failed', error: new Error('no broker') })
    expect(out()).to.equal('')
    report.started(facts)
    mesh.changed?.()
    const events = out().trim().split('\n')
    expect(events.map((text) => (JSON.parse(text) as { event: string }).event)).to.deep.equal(['started', 'link', 'document', 'provider'])
  })

  it('has a line for each change of a link, and none for none', () => {
    const { mesh, out } = make(false)
    for (const links of [
      [link({ state: 'waiting', route: undefined })],
      [link()],
      [link()],
      [link({ state: 'busy' })],
      [link({ state: 'offline', error: new Error('no\u001b route') })],
      []
    ]) {
      mesh.links = links
      mesh.changed?.()
    }
    expect(out().split('\n')).to.deep.equal([
      'store abababab  found, it will connect to us',
      'store abababab  connected, direct 10.0.0.1:1',
      'store abababab  offline  (no? route)',
      'abababab has left',
      ''
    ])
  })

  const attempted = (message: string, state: ConnectionReport['state'] = 'failed'): ConnectionReport => ({
    deviceId: 'ab'.repeat(32),
    displayName: 'store',
    state,
    startedAt: 0,
    elapsedMs: 12,
    route: state === 'failed' ? undefined : 'direct 10.0.0.1:1',
    attempts: [
      {
        strategy: 'tcp-hole-punch',
        peerId: 'mqtt:ab',
        provider: 'MQTT',
        address: undefined,
        phase: 'assess',
        state: 'skipped',
        startedAt: 0,
        elapsedMs: 0,
        code: undefined,
        message,
        hint: undefined
      }
    ]
  })

  it('says why a device could not be reached, once for the same reasons', () => {
    const { report, out } = make(false)
    for (const each of [attempted('only a\u001b relay can work'), attempted('only a\u001b relay can work'), attempted('nobody answers')])
      report.attempted(each)
    expect(out().match(/only a\? relay can work/g)).to.have.length(1)
    expect(out()).to.include('tcp-hole-punch  MQTT  -  skipped (assess)  0 ms  -  nobody answers')
    expect(out()).not.to.include('\u001b')
    report.attempted(attempted('', 'connected'))
    report.attempted(attempted('nobody answers'))
    expect(out().match(/nobody answers/g)).to.have.length(2)
  })

  it('does not call a device unreachable while it is connected, nor because everything stops', () => {
    const { mesh, report, out } = make(false)
    mesh.links = [link({ state: 'busy', quality: 'relayed' })]
    report.attempted(attempted('nothing better than the relay'))
    mesh.links = [link({ state: 'offline' })]
    report.stopping()
    report.attempted(attempted('This operation was aborted'))
    expect(out()).to.equal('')
  })

  it('says that a way to find devices fails, and that it works again, once', () => {
    const failure = { state: 'failed', error: Object.assign(new Error('no bro\u001bker'), { code: 'ERR_MQTT_NO_BROKER' }) } as const
    const person = make(false)
    const machine = make(true)
    for (const { report } of [person, machine])
      for (const status of [
        { state: 'online' },
        { state: 'starting' },
        failure,
        failure,
        { state: 'starting' },
        { state: 'online' },
        { state: 'online' }
      ] as const)
        report.provider('MQTT', status)
    expect(person.out()).to.equal('MQTT does not work: no bro?ker; it is tried again\nMQTT works again\n')
    expect(
      machine
        .out()
        .trim()
        .split('\n')
        .map((text) => JSON.parse(text) as unknown)
    ).to.deep.equal([
      { event: 'provider', name: 'MQTT', state: 'failed', error: 'no bro\u001bker', code: 'ERR_MQTT_NO_BROKER' },
      { event: 'provider', name: 'MQTT', state: 'online' }
    ])
  })

  it('tells machines of every attempt', () => {
    const { report, out } = make(true)
    report.attempted(attempted('', 'connected'))
    report.attempted(attempted('nobody answers'))
    const lines = out()
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as Record<string, unknown>)
    expect(lines.map(({ event, state }) => [event, state])).to.deep.equal([
      ['report', 'connected'],
      ['report', 'failed']
    ])
    expect(lines[1]?.['attempts']).to.deep.include.members([{ ...JSON.parse(JSON.stringify(attempted('nobody answers').attempts[0])) }])
  })

  it('has a line for each document', () => {
    const { mesh, out } = make(false)
    mesh.documents?.('ab'.repeat(32), [
      event,
      { ...event, direction: 'push', deleted: true },
      { ...event, id: 'p\nen', error: Object.assign(new Error('too large'), { code: 'ERR_REPL_DOC_TOO_LARGE', hint: '', details: {} }) }
    ])
    expect(out()).to.equal('← pen  1-ab\n→ pen  1-ab  deleted\n← p?en  failed: too large\n')
  })

  it('is JSON lines for machines', () => {
    const { mesh, report, out, err } = make(true, true)
    report.started({ name: 'shop', peerId: 'ff', group: 'g', port: 7, versioning: 'rev-trees' })
    mesh.links = [
      link({
        state: 'offline',
        direction: undefined,
        route: undefined,
        quality: undefined,
        error: Object.assign(new Error('nobody there'), { code: 'ERR_X' })
      })
    ]
    mesh.changed?.()
    mesh.documents?.('ab'.repeat(32), [event])
    report.refused({ deviceId: 'cd', name: 'evil', reason: 'because', advice: 'do not' })
    mesh.links = []
    mesh.changed?.()
    report.stopping()
    report.stopped()
    expect(
      out()
        .split('\n')
        .slice(0, -1)
        .map((text) => JSON.parse(text) as unknown)
    ).to.deep.equal([
      { event: 'started', name: 'shop', peerId: 'ff', group: 'g', port: 7, versioning: 'rev-trees' },
      { event: 'link', device: 'ab'.repeat(32), name: 'store', state: 'offline', error: 'nobody there', code: 'ERR_X' },
      { event: 'document', device: 'ab'.repeat(32), id: 'pen', rev: '1-ab', direction: 'pull', deleted: false },
      { event: 'refused', device: 'cd', name: 'evil', reason: 'because', hint: 'do not' },
      { event: 'gone', device: 'ab'.repeat(32) },
      { event: 'stopped', documentsIn: 1, documentsOut: 2, bytesIn: 3000, bytesOut: 4000, conflicts: 5 }
    ])
    expect(err()).to.equal('')
    expect(mesh.changed).to.equal(undefined)
    expect(mesh.documents).to.equal(undefined)
  })

  it('tells machines when a link has come to rest and when it works again, and people only that it is there', () => {
    for (const json of [true, false]) {
      const { mesh, out } = make(json)
      for (const state of ['connecting', 'busy', 'idle', 'idle', 'busy'] as const) {
        mesh.links = [link({ state })]
        mesh.changed?.()
      }
      const lines = out().split('\n').slice(0, -1)
      if (json) expect(lines.map((text) => (JSON.parse(text) as MeshLink).state)).to.deep.equal(['connecting', 'busy', 'idle', 'busy'])
      else expect(lines).to.have.length(2)
    }
  })

  it('keeps a status line below for people', () => {
    const { mesh, report, err } = make(false, true)
    mesh.links = [link()]
    mesh.changed?.()
    expect(err()).to.include('\r1 connected   in 1 documents 3 kB   out 2 documents 4 kB\u001b[K')
    report.stopping()
    expect(err().endsWith('\r\u001b[K')).to.equal(true)
  })
})
