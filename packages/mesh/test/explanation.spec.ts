import { expect } from 'chai'
import type { MeshLink } from '@kithmesh/mesh'
import { meshErrors } from '@kithmesh/mesh'
import { type ExplanationFacts, explainDevice } from '../dist/explanation.js'

const US = 'a'.repeat(64)
const THEM = 'b'.repeat(64)

describe('why there is a link with a device, or none', () => {
  const link = (more: Partial<MeshLink> = {}): MeshLink => ({
    deviceId: THEM,
    displayName: 'Shop',
    state: 'standby',
    direction: undefined,
    route: undefined,
    quality: undefined,
    error: undefined,
    traffic: { documentsIn: 0, documentsOut: 0, bytesIn: 0, bytesOut: 0 },
    ...more
  })
  const explain = (more: Partial<ExplanationFacts> = {}) =>
    explainDevice({
      peerId: THEM,
      localPeerId: US,
      started: true,
      link: link(),
      standing: undefined,
      quarantined: undefined,
      refusal: undefined,
      reached: false,
      neighbours: [],
      report: undefined,
      wallTime: (monotonic) => (Number.isFinite(monotonic) ? 1_000_000 + monotonic : undefined),
      ...more
    })
  const connected = { state: 'idle', route: 'direct 10.0.0.2:4984', direction: 'outgoing', quality: 'direct' } as const

  it('connected: how, by whom, and what for', () => {
    const found = explain({ link: link(connected), standing: { wanted: 'ring', passedOver: undefined, dialAt: Infinity } })
    expect(found).to.include({ decision: 'connected', hint: undefined, until: undefined })
    expect(found.reason).to.equal('Connected by direct 10.0.0.2:4984 (this side dialled), because it is our next on one of the rings')
    const relayed = explain({ link: link({ ...connected, direction: 'incoming', quality: 'relayed', route: 'turn 203.0.113.9:5' }) })
    expect(relayed.reason).to.equal('Connected by turn 203.0.113.9:5 (the other side dialled); a better way is looked for')
  })

  it('connected without trust', () => {
    const error = meshErrors.create('ERR_MESH_DISTRUSTED', 'no longer')
    const found = explain({ link: link({ ...connected, state: 'restricted', error }) })
    expect(found).to.include({ decision: 'restricted', error })
    expect(found.hint).to.equal(error.hint)
  })

  it('standby: others reach it, or there are enough links', () => {
    expect(explain({ reached: true })).to.include({ decision: 'not-needed', reached: true })
    expect(explain({ reached: true }).reason).to.include('over others')
    expect(explain().reason).to.include('enough with others')
  })

  it('waiting, dialling, pausing', () => {
    const standing = { wanted: 'all', passedOver: undefined, dialAt: 5_000 } as const
    expect(explain({ link: link({ state: 'waiting' }), standing })).to.include({ decision: 'other-side-dials', until: 1_005_000 })
    expect(explain({ link: link({ state: 'connecting' }), standing }).decision).to.equal('dialling')
    const error = new Error('nobody answers')
    expect(explain({ link: link({ state: 'offline', error }), standing })).to.include({ decision: 'pausing', error, until: 1_005_000 })
    const passed = { wanted: undefined, passedOver: { reason: 'suspect', until: 9_000 }, dialAt: Infinity } as const
    const found = explain({ link: link({ state: 'offline', error }), standing: passed })
    expect(found).to.include({ decision: 'pausing', until: 1_009_000 })
    expect(found.reason).to.include('nobody answers')
  })

  it('full, or refused by either side', () => {
    const over = (reason: 'full' | 'refused', until = 9_000) => ({ wanted: undefined, passedOver: { reason, until }, dialAt: Infinity })
    expect(explain({ standing: over('full') })).to.include({ decision: 'full', until: 1_009_000 })
    const error = meshErrors.create('ERR_MESH_REFUSED', 'Shop does not accept this device')
    const refused = explain({ link: link({ state: 'offline', error }), standing: over('refused', Infinity) })
    expect(refused).to.include({ decision: 'refused', reason: error.message, hint: error.hint, until: undefined })
    const refusal = meshErrors.create('ERR_MESH_BLOCKED', 'The device is blocked')
    expect(explain({ refusal, link: link(connected) })).to.include({ decision: 'refused', error: refusal, hint: refusal.hint })
  })

  it('quarantined, and until when', () => {
    const quarantined = { id: THEM, kind: 'flood', detail: 'it connects over and over', since: 0, until: 30_000, times: 1 } as const
    const found = explain({ quarantined })
    expect(found).to.include({ decision: 'quarantined', until: 1_030_000 })
    expect(found.reason).to.include('flood').and.include('over and over')
    expect(found.hint).to.include('mesh.release')
  })

  it('not seen, unknown, this device itself, or nothing runs', () => {
    expect(explain({ link: undefined, reached: true }).decision).to.equal('not-seen')
    expect(explain({ link: undefined, neighbours: ['c'.repeat(16)] }).decision).to.equal('not-seen')
    expect(explain({ link: undefined }).decision).to.equal('unknown')
    expect(explain({ link: undefined }).hint).to.be.a('string')
    expect(explain({ peerId: US }).decision).to.equal('self')
    expect(explain({ started: false }).decision).to.equal('stopped')
  })
})
