import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import fc from 'fast-check'
import { type Line, type Outcome, type Scenario, simulate } from './support/simulator.ts'

const clean: Line = { loss: 0, duplicate: 0, delayMs: 10, jitterMs: 0 }

function scenario(changes: Partial<Scenario> = {}): Scenario {
  return { seed: 1, there: clean, back: clean, initiator: { bytes: 300_000 }, responder: { bytes: 100_000 }, ...changes }
}

function expectIntact({ over, sides, ms }: Outcome, { initiator, responder }: Scenario): void {
  expect(over, `not over after ${ms} ms`).to.equal(true)
  for (const [index, side] of sides.entries()) {
    expect(side.association.error).to.equal(undefined)
    expect(side.wrongAt, 'position of the first wrong byte').to.equal(undefined)
    expect(side.received).to.equal(index === 0 ? responder.bytes : initiator.bytes)
    expect(side.ended).to.equal(true)
  }
}

function plays(changes: Partial<Scenario>): Outcome {
  const played = scenario(changes)
  const outcome = simulate(played)
  expectIntact(outcome, played)
  return outcome
}

describe('association', () => {
  describe('on a path without faults', () => {
    it('carries both directions and ends them, and sends nothing twice', () => {
      const { sides } = plays({})
      for (const side of sides) {
        expect(side.association.resentBytes).to.equal(0)
        expect(side.association.recovery.sentPackets.lostPackets).to.equal(0)
      }
    })
    it('is open on both sides after one and a half round trips', () => {
      const { sides } = plays({})
      expect(sides[0]!.openedAt).to.equal(20)
      expect(sides[1]!.openedAt).to.be.at.most(30)
    })
    it('carries nothing at all, and still ends', () => {
      plays({ initiator: { bytes: 0 }, responder: { bytes: 0 } })
    })
    it('goes on in one direction after the other has ended', () => {
      plays({ initiator: { bytes: 0 }, responder: { bytes: 200_000, endsFirst: false } })
    })
    it('opens when the other side appears seconds later', () => {
      plays({ lateMs: 7_000 })
    })
    it('uses the bandwidth that there is', () => {
      // 1,250 bytes per millisecond are 10 Mbit/s.
      const line: Line = { ...clean, rate: 1_250, queueBytes: 50_000 }
      const { ms } = plays({ there: line, back: line, initiator: { bytes: 10_000_000 }, responder: { bytes: 0 } })
      expect(10_000_000 / ms).to.be.above(0.8 * 1_250)
    })
    it('acknowledges many packets at a time', () => {
      const { sides } = plays({ initiator: { bytes: 2_000_000 }, responder: { bytes: 0 } })
      expect(sides[1]!.datagrams).to.be.below(0.6 * sides[0]!.datagrams)
    })
  })

  describe('on a path with faults', () => {
    for (const loss of [0.01, 0.1, 0.3]) {
      it(`delivers every byte when ${100 * loss} % of the datagrams are lost`, () => {
        plays({ there: { ...clean, loss }, back: { ...clean, loss } })
      })
    }
    it('delivers every byte once when datagrams are doubled', () => {
      plays({ there: { ...clean, duplicate: 0.5 }, back: { ...clean, duplicate: 0.5 } })
    })
    it('delivers in order what overtook each other', () => {
      plays({ there: { ...clean, jitterMs: 40 }, back: { ...clean, jitterMs: 40 } })
    })
    it('goes on after seconds in which nothing passes', () => {
      const blackout = [60, 20_060] as const
      const { ms } = plays({ there: { ...clean, blackout }, back: { ...clean, blackout } })
      expect(ms).to.be.below(30_000)
    })
    it('makes datagrams smaller where large ones vanish, and larger again where they no longer do', () => {
      const there: Line = { ...clean, mtu: 700 }
      plays({ there, back: there })
      plays({ there, back: there, initiator: { bytes: 100 }, responder: { bytes: 100_000 } })
    })
    it('does not take a lossy path for one that swallows large datagrams for good', () => {
      const { sides } = plays({ there: { ...clean, loss: 0.2 }, initiator: { bytes: 2_000_000 } })
      expect(sides[0]!.bytesSent / sides[0]!.datagrams).to.be.above(800)
    })
  })

  describe('memory', () => {
    it('keeps to its limit when the reader is slow, and wakes the sender when it reads', () => {
      const outcome = plays({
        initiator: { bytes: 600_000 },
        responder: { bytes: 0, readsPer10Ms: 5_000 },
        options: { windowBytes: 50_000 }
      })
      expect(outcome.sides[0]!.largestBuffered).to.be.at.most(50_000)
    })
  })

  describe('when the other side is not there', () => {
    it('gives up opening', () => {
      const { sides, ms } = simulate(scenario({ lateMs: 1_000_000, limitMs: 40_000 }))
      expect(errorCode(sides[0]!.association.error)).to.equal('ERR_DATAGRAM_NO_ANSWER')
      expect(sides[0]!.association.state).to.equal('closed')
      expect(ms).to.be.at.most(40_000)
    })
    it('gives up an open stream after the time for silence', () => {
      const blackout = [100, 1_000_000] as const
      const { sides, over, ms } = simulate(scenario({ there: { ...clean, blackout }, back: { ...clean, blackout } }))
      expect(over).to.equal(true)
      expect(sides.map((side) => errorCode(side.association.error))).to.deep.equal(['ERR_DATAGRAM_SILENT', 'ERR_DATAGRAM_SILENT'])
      expect(ms).to.be.below(60_000 + 200)
    })
    it('stays open for hours without anything to say', () => {
      const outcome = simulate(
        scenario({ initiator: { bytes: 1, endsFirst: false }, responder: { bytes: 1, endsFirst: false }, limitMs: 7_200_000 })
      )
      expect(outcome.sides.map((side) => side.association.state)).to.deep.equal(['open', 'open'])
      expect(outcome.sides[0]!.datagrams).to.be.below(4 * 720)
    })
  })

  describe('reset', () => {
    for (const loss of [0, 0.3]) {
      it(`reaches the other side with its reason, ${100 * loss} % loss`, () => {
        const { sides, over } = simulate(scenario({ there: { ...clean, loss } }), (now, [initiator]) => {
          if (now > 100) initiator!.association.reset('enough', now)
        })
        expect(over).to.equal(true)
        expect(sides[0]!.association.error).to.equal(undefined)
        expect(sides[1]!.association.error).to.include({ code: 'ERR_DATAGRAM_RESET' })
        expect(sides[1]!.association.error?.message).to.contain('enough')
      })
    }
  })

  describe('any path', () => {
    const line = fc.record({
      loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
      duplicate: fc.double({ min: 0, max: 0.3, noNaN: true }),
      delayMs: fc.integer({ min: 0, max: 200 }),
      jitterMs: fc.integer({ min: 0, max: 100 }),
      mtu: fc.constantFrom(600, 1_000, 65_535),
      blackout: fc.tuple(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 8_000 })),
      rate: fc.integer({ min: 50, max: 10_000 }),
      queueBytes: fc.integer({ min: 5_000, max: 200_000 })
    })
    const party = (endsFirst: fc.Arbitrary<boolean>): fc.Arbitrary<{ bytes: number; readsPer10Ms: number; endsFirst: boolean }> =>
      fc.record({ bytes: fc.integer({ min: 0, max: 60_000 }), readsPer10Ms: fc.integer({ min: 200, max: 100_000 }), endsFirst })
    it('delivers every byte in order, ends, and keeps to its limits', () => {
      fc.assert(
        fc.property(
          fc.record({
            seed: fc.nat(),
            there: line,
            back: line,
            initiator: party(fc.constant(true)),
            responder: party(fc.boolean()),
            lateMs: fc.integer({ min: 0, max: 3_000 }),
            windowBytes: fc.integer({ min: 5_000, max: 300_000 })
          }),
          ({ windowBytes, ...played }) => {
            const outcome = simulate({ ...played, options: { windowBytes } })
            expectIntact(outcome, played)
            for (const side of outcome.sides) expect(side.largestBuffered).to.be.at.most(windowBytes)
          }
        ),
        { numRuns: 150 }
      )
    }).timeout(60_000)
  })
})
