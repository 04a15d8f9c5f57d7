import { randomBytes } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import { errorCode, type SignalingBody } from '@kithmesh/core'
import { readAnswer, readRequest, writeAnswer, writeCancel, writeOffer, type PunchAnswer, type PunchOffer } from '../dist/messages.js'
import { chooseStart, waitForStart } from '../dist/schedule.js'
import { KINDS } from './support/networks.ts'

function offer(): PunchOffer {
  return {
    attempt: randomBytes(12),
    secret: randomBytes(32),
    clock: { at: 1_700_000_000_000.5, uncertaintyMs: 3 },
    listens: true,
    candidates: [
      {
        pair: 0,
        family: 4,
        local: { address: '10.1.0.2', port: 21_000 },
        mapped: { address: '203.0.113.21', port: 40_000 },
        behaviour: KINDS['symmetric-sequential'],
        towards: 1
      },
      { pair: 1, family: 6, local: { address: '2001:db8::2', port: 21_001 }, mapped: undefined, behaviour: KINDS.firewall }
    ]
  }
}

function answer(to: PunchOffer): PunchAnswer {
  const [first] = to.candidates
  return {
    attempt: to.attempt,
    secret: randomBytes(32),
    clock: undefined,
    heldMs: 12,
    startInMs: 100,
    secondAfterMs: 40,
    candidates: [{ ...first!, behaviour: { ...KINDS.open, ports: { kind: 'range', low: 2_000, high: 3_000 } } }]
  }
}

/** As it arrives: through JSON. */
function sent(body: SignalingBody): Record<string, any> {
  return JSON.parse(JSON.stringify(body)) as Record<string, any>
}

function refusal(read: () => unknown): string | undefined {
  try {
    read()
    return undefined
  } catch (error) {
    return errorCode(error)
  }
}

describe('offers and answers', () => {
  it('arrive as they were sent', () => {
    const before = offer()
    expect(readRequest(sent(writeOffer(before)))).to.deep.equal({ offer: before })
    const reply = answer(before)
    expect(readAnswer(sent(writeAnswer(reply)), before)).to.deep.equal(reply)
    expect(readRequest(sent(writeCancel(before.attempt)))).to.deep.equal({ cancel: before.attempt })
  })

  it('are small enough for one message of a broker', () => {
    const { candidates, ...rest } = offer()
    const full = Array.from({ length: 4 }, (_, pair) => ({ ...candidates[0]!, pair }))
    expect(JSON.stringify(writeOffer({ ...rest, candidates: full })).length).to.be.lessThan(2_048)
  })

  const candidate = (body: Record<string, any>): Record<string, any> => body['candidates'][0] as Record<string, any>
  const damages: ReadonlyArray<readonly [string, (body: Record<string, any>) => void]> = [
    ['of another version', (body) => (body['version'] = 2)],
    ['for another protocol', (body) => (body['protocol'] = 'udp')],
    ['without an attempt', (body) => delete body['attempt']],
    ['with a short secret', (body) => (body['secret'] = 'AAAA')],
    ['with a secret that is no text', (body) => (body['secret'] = 7)],
    ['without candidates', (body) => (body['candidates'] = [])],
    ['with a thousand candidates', (body) => (body['candidates'] = Array.from({ length: 1_000 }, () => candidate(body)))],
    ['with a candidate twice', (body) => (body['candidates'] = [candidate(body), candidate(body)])],
    ['with a pair out of range', (body) => (candidate(body)['pair'] = 4)],
    ['with a host name', (body) => (candidate(body)['local'].address = 'localhost')],
    ['with a zone', (body) => (candidate(body)['local'].address = 'fe80::1%eth0')],
    ['with addresses of two families', (body) => (candidate(body)['mapped'].address = '2001:db8::1')],
    ['with port 0', (body) => (candidate(body)['local'].port = 0)],
    ['with a low port', (body) => (candidate(body)['mapped'].port = 22)],
    ['with a port that is no number', (body) => (candidate(body)['mapped'].port = '40000')],
    ['with a mapping rule of its own', (body) => (candidate(body)['behaviour'].mapping = '__proto__')],
    ['with a step over more than all ports', (body) => (candidate(body)['behaviour'].ports.delta = 100_000)],
    ['with a step of nothing', (body) => (candidate(body)['behaviour'].ports.delta = 0)],
    ['with a range upside down', (body) => (candidate(body)['behaviour'].ports = { kind: 'range', low: 3_000, high: 2_000 })],
    ['with a time that is none', (body) => (body['clock'].at = 'soon')],
    ['with a negative uncertainty', (body) => (body['clock'].uncertaintyMs = -1)]
  ]
  for (const [what, damage] of damages)
    it(`are refused ${what}`, () => {
      const body = sent(writeOffer(offer()))
      damage(body)
      expect(refusal(() => readRequest(body))).to.equal('ERR_PUNCH_MESSAGE')
    })

  it('are refused as answers to something else, or about pairs that were not offered', () => {
    const asked = offer()
    const body = sent(writeAnswer(answer(asked)))
    expect(refusal(() => readAnswer(body, offer()))).to.equal('ERR_PUNCH_MESSAGE')
    candidate(body)['pair'] = 3
    expect(refusal(() => readAnswer(body, asked))).to.equal('ERR_PUNCH_MESSAGE')
  })

  for (const [what, field, value] of [
    ['an hour ahead', 'startInMs', 3_600_000],
    ['in the past', 'startInMs', -1],
    ['never', 'startInMs', null],
    ['with an absurd head start', 'secondAfterMs', 86_400_000]
  ] as const)
    it(`are refused when they begin ${what}`, () => {
      const asked = offer()
      const body = sent(writeAnswer(answer(asked)))
      body[field] = value
      expect(refusal(() => readAnswer(body, asked))).to.equal('ERR_PUNCH_MESSAGE')
    })

  it('never make the reader throw anything but a refusal', () => {
    const template = sent(writeOffer(offer()))
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(template)), fc.jsonValue(), (field, value) => {
        expect(refusal(() => readRequest({ ...template, [field]: value }))).to.be.oneOf([undefined, 'ERR_PUNCH_MESSAGE'])
      })
    )
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        expect(refusal(() => readRequest(body))).to.equal('ERR_PUNCH_MESSAGE')
      })
    )
  })
})

describe('beginning at the same time', () => {
  const at = (ms: number, uncertaintyMs = 2): { at: number; uncertaintyMs: number } => ({ at: 1_700_000_000_000 + ms, uncertaintyMs })

  it('is as soon as the answer can have arrived', () => {
    const start = chooseStart(at(0), at(40))
    expect(start.startInMs).to.be.within(40, 80)
    expect(waitForStart({ ...start, heldMs: 30, sent: at(70) }, at(110), 110)).to.equal(start.startInMs - 40)
  })

  it('does without clocks', () => {
    const start = chooseStart(undefined, at(40))
    expect(start.startInMs).to.be.within(50, 500)
    expect(waitForStart({ startInMs: 100, heldMs: 30, sent: undefined }, at(110), 110)).to.equal(60)
  })

  it('does not trust clocks that are far apart or uncertain', () => {
    const without = chooseStart(undefined, undefined)
    expect(chooseStart(at(0), at(90_000))).to.deep.equal(without)
    expect(chooseStart(at(90_000), at(0))).to.deep.equal(without)
    expect(chooseStart(at(0, 400), at(40, 400))).to.deep.equal(without)
  })

  it('is bounded whatever the other side says', () => {
    const clocks = fc.option(
      fc.record({ at: fc.double({ noNaN: true, min: -1e14, max: 1e14 }), uncertaintyMs: fc.double({ noNaN: true, min: 0, max: 60_000 }) }),
      {
        nil: undefined
      }
    )
    fc.assert(
      fc.property(clocks, clocks, fc.nat(60_000), fc.nat(10_000), (theirs, ours, heldMs, elapsed) => {
        const { startInMs, secondAfterMs } = chooseStart(theirs, ours)
        expect(startInMs).to.be.within(0, 3_000)
        expect(secondAfterMs).to.be.within(0, 1_000)
        expect(waitForStart({ startInMs, heldMs, sent: theirs }, ours, elapsed)).to.be.within(0, startInMs)
      })
    )
  })
})
