import { expect } from 'chai'
import { feasibility } from '../dist/feasibility.js'
import { KINDS, type Kind } from './support/networks.ts'

const ORDER = [
  'open',
  'firewall',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'random-ports',
  'port-preserving',
  'symmetric-sequential',
  'symmetric-random'
] as const satisfies readonly Kind[]

/** nat-lab.md §4, measured: Y where 20 of 20 runs connected, - where none did. The row's kinds are in the order above. */
const MEASURED: readonly string[] = [
  'YYYYYYYYY', // open
  'YYYYYYYY-', // firewall
  'YYYYYYYYY', // full-cone
  'YYYYYYYYY', // address-restricted
  'YYYYYYYY-', // port-restricted
  'YYYYYYYY-', // random-ports
  'YYYYYYYY-', // port-preserving
  'YYYYYYYY-', // symmetric-sequential
  'Y-YY-----' // symmetric-random
]

describe('feasibility of a punched connection', () => {
  for (const [row, mine] of ORDER.entries())
    for (const [column, theirs] of ORDER.entries()) {
      const works = MEASURED[row]![column] === 'Y'
      it(`is ${works ? 'given' : 'denied'} between ${mine} and ${theirs}, as measured`, () => {
        const verdict = feasibility(KINDS[mine], KINDS[theirs])
        expect(verdict.outcome === 'impossible').to.equal(!works)
      })
    }

  it('says in words what stands in the way', () => {
    const reason = (mine: Kind, theirs: Kind): string => {
      const verdict = feasibility(KINDS[mine], KINDS[theirs])
      return verdict.outcome === 'impossible' ? verdict.reason : ''
    }
    expect(reason('symmetric-random', 'symmetric-random')).to.equal(
      'both routers pick random ports for each destination: only a relay can work'
    )
    expect(reason('symmetric-random', 'port-restricted')).to.match(/^this router picks random ports .* the other one lets in only ports/)
    expect(reason('port-restricted', 'symmetric-random')).to.match(/^the other router picks random ports .* this one lets in only ports/)
    expect(reason('blocked', 'open')).to.match(/blocked on this side/)
    expect(reason('open', 'blocked')).to.match(/blocked on the other side/)
  })

  it('tries what is not known', () => {
    for (const kind of ORDER) {
      expect(feasibility(KINDS.unknown, KINDS[kind]).outcome).to.not.equal('impossible')
      expect(feasibility(KINDS[kind], KINDS.unknown).outcome).to.not.equal('impossible')
    }
    expect(feasibility(KINDS['symmetric-random'], { ...KINDS['port-restricted'], filtering: 'unknown' }).outcome).to.equal('unknown')
  })

  it('thinks little of two counters that are guessed at once', () => {
    expect(feasibility(KINDS['symmetric-sequential'], KINDS['symmetric-sequential']).outcome).to.equal('unlikely')
    expect(feasibility(KINDS['symmetric-sequential'], KINDS['port-restricted']).outcome).to.equal('likely')
  })
})
