import { DEFAULT_TRUST_POLICY, packetAllowed } from '@kithmesh/core'
import type { PacketKind } from '@kithmesh/core'
import { expect } from 'chai'

type Flag = 'no' | 'yes'
type Row = readonly [trusted: Flag, standard: Flag, enhanced: Flag, ...delivered: Flag[]]

const KINDS: readonly PacketKind[] = ['message', 'disconnect', 'identity', 'peer-group', 'data']

/** p2pnet.md §4.1, row by row; its last row, "trusted, any, any", is written out. */
const TABLE: readonly Row[] = [
  ['no', 'no', 'no', 'no', 'no', 'no', 'no', 'no'],
  ['no', 'yes', 'no', 'yes', 'yes', 'no', 'no', 'no'],
  ['no', 'no', 'yes', 'no', 'no', 'yes', 'yes', 'yes'],
  ['no', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  ['yes', 'no', 'no', 'yes', 'yes', 'yes', 'yes', 'yes'],
  ['yes', 'yes', 'no', 'yes', 'yes', 'yes', 'yes', 'yes'],
  ['yes', 'no', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  ['yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes']
]

describe('which packets a trust policy lets in', () => {
  for (const [trusted, standard, enhanced, ...delivered] of TABLE)
    it(`trusted: ${trusted}, default communication: ${standard}, enhanced exchange: ${enhanced}`, () => {
      for (const runDefaultTrustProtocol of [true, false]) {
        const policy = {
          allowDefaultCommunication: standard === 'yes',
          allowEnhancedPacketExchange: enhanced === 'yes',
          runDefaultTrustProtocol
        }
        expect(KINDS.map((kind) => (packetAllowed(kind, policy, trusted === 'yes') ? 'yes' : 'no'))).to.deep.equal(delivered)
      }
    })

  it('is the default communication alone where the policy says nothing', () => {
    expect(KINDS.filter((kind) => packetAllowed(kind, {}, false))).to.deep.equal(['message', 'disconnect'])
    expect(DEFAULT_TRUST_POLICY).to.deep.equal({
      allowDefaultCommunication: true,
      allowEnhancedPacketExchange: false,
      runDefaultTrustProtocol: true
    })
  })

  it('knows no other kinds, whoever sends them', () => {
    for (const kind of ['task', '', 'toString', '__proto__'])
      for (const trusted of [true, false])
        expect(() => packetAllowed(kind as PacketKind, {}, trusted)).to.throw(TypeError, 'no packets of the kind')
  })
})
