import { BlockList, isIP } from 'node:net'
import { AccessLists, errorCode } from '@kithmesh/core'
import type { AccessRule, AccessSubject } from '@kithmesh/core'
import { expect } from 'chai'
import fc from 'fast-check'
import { recordingLogger } from '@kithmesh/testkit'
import { logged, settle } from './fakes.ts'

const A = 'a'.repeat(64)
const B = 'b'.repeat(64)
const C = 'c'.repeat(64)

function refusal(run: () => unknown): string | undefined {
  try {
    run()
  } catch (error) {
    return errorCode(error)
  }
  return undefined
}

describe('AccessLists', () => {
  it('let everybody in who is not blocked', () => {
    const access = new AccessLists()
    expect(access.refuses({ peerId: A, address: '203.0.113.7', group: 'shop' })).to.equal(undefined)
    expect(access.block({ peerId: A, note: 'lost in May' })).to.equal(true)
    expect(access.block({ range: '203.0.113.0/24' })).to.equal(true)
    expect(access.refuses({ peerId: A })).to.equal(`it is blocked by the rule for the peer ${A} (lost in May)`)
    expect(access.refuses({ address: '::ffff:203.0.113.7' })).to.equal('it is blocked by the rule for 203.0.113.0/24')
    expect(access.refuses({ peerId: B, address: '203.0.114.7' })).to.equal(undefined)
  })

  it('let in whom they allow only, as soon as they allow somebody of that kind, and nobody who is blocked as well', () => {
    const access = new AccessLists()
    access.allow({ range: '10.0.0.0/8' })
    expect(access.refuses({ peerId: A, address: '10.1.1.1' })).to.equal(undefined)
    expect(access.refuses({ address: '11.1.1.1' })).to.equal('the address 11.1.1.1 is in none of the allowed ranges')
    expect(access.refuses({ address: '2001:db8::1' })).to.match(/none of the allowed/)
    access.allow({ peerId: A })
    expect(access.refuses({ peerId: A, address: '10.1.1.1' })).to.equal(undefined)
    expect(access.refuses({ peerId: A, address: '11.1.1.1' })).to.match(/none of the allowed ranges/)
    expect(access.refuses({ peerId: B, address: '10.1.1.1' })).to.equal(`the peer ${B} is none of the allowed ones`)
    access.block({ range: '10.1.1.1' })
    expect(access.refuses({ peerId: A, address: '10.1.1.1' })).to.match(/blocked/)
    expect(access.refuses({ peerId: A, address: '10.1.1.2' })).to.equal(undefined)
  })

  it('ask for everything that a rule names', () => {
    const access = new AccessLists()
    access.block({ peerId: A, range: '10.0.0.0/8' })
    expect(access.refuses({ peerId: A, address: '10.1.1.1' })).to.match(/blocked/)
    expect(access.refuses({ peerId: B, address: '10.1.1.1' })).to.equal(undefined)
    expect(access.refuses({ peerId: A, address: '11.1.1.1' })).to.equal(undefined)
    const office = new AccessLists({
      rules: [
        { effect: 'allow', peerId: A, range: '10.0.0.0/8' },
        { effect: 'allow', peerId: B }
      ]
    })
    expect(office.refuses({ peerId: A, address: '10.1.1.1' })).to.equal(undefined)
    expect(office.refuses({ peerId: A, address: '11.1.1.1' }), 'A from elsewhere').to.be.a('string')
    expect(office.refuses({ peerId: B, address: '10.1.1.1' }), 'B, of whom no rule names an address').to.match(/none of the allowed ranges/)
    const groups = new AccessLists({
      rules: [
        { effect: 'allow', group: 'shop' },
        { effect: 'block', group: 'shop', peerId: C }
      ]
    })
    expect(groups.refuses({ group: 'shop', peerId: A })).to.equal(undefined)
    expect(groups.refuses({ group: 'shop', peerId: C })).to.equal(`it is blocked by the rule for the peer ${C} and the group "shop"`)
    expect(groups.refuses({ group: 'chat' })).to.equal('the group "chat" is none of the allowed ones')
  })

  it('refuse nobody for what is not known yet, and whoever has no address where addresses are allowed', () => {
    const access = new AccessLists({
      rules: [
        { effect: 'allow', peerId: A },
        { effect: 'allow', range: '10.0.0.0/8', peerId: A }
      ]
    })
    expect(access.refuses({})).to.equal(undefined)
    expect(access.refuses({ address: '10.1.1.1' })).to.equal(undefined)
    expect(access.refuses({ peerId: A })).to.equal(undefined)
    expect(access.refuses({ peerId: A, address: null })).to.equal('it has no address, and only certain addresses are allowed')
    for (const address of ['', 'not an address', '10.1.1.1:4984', '10.1.1'])
      expect(access.refuses({ peerId: A, address }), address).to.match(/none of the allowed ranges/)
    const blocking = new AccessLists({ rules: [{ effect: 'block', range: '0.0.0.0/0' }] })
    expect(blocking.refuses({ peerId: A, address: null })).to.equal(undefined)
  })

  it('do not take one who names nothing for another who names nothing', () => {
    const access = new AccessLists({ rules: [{ effect: 'block', peerId: A }] })
    for (const peerId of [undefined, null, ''] as unknown as string[])
      expect(access.refuses({ ...(peerId === undefined ? {} : { peerId }), address: '10.1.1.1' })).to.equal(undefined)
    const allowing = new AccessLists({ rules: [{ effect: 'allow', peerId: A }] })
    for (const peerId of [null, '', A.toUpperCase()] as unknown as string[])
      expect(allowing.refuses({ peerId }), String(peerId)).to.be.a('string')
  })

  it('keep each rule once, in order, and take it back however it is written', () => {
    const access = new AccessLists()
    expect(access.block({ range: '10.1.2.3/8' })).to.equal(true)
    expect(access.block({ range: '10.0.0.0/8' })).to.equal(false)
    expect(access.block({ range: '::ffff:10.0.0.0/104', note: 'again' })).to.equal(true)
    expect(access.allow({ range: '10.0.0.0/8' })).to.equal(true)
    expect(access.list.current).to.deep.equal([
      { effect: 'block', range: '10.0.0.0/8', note: 'again' },
      { effect: 'allow', range: '10.0.0.0/8' }
    ])
    expect(access.refuses({ address: '10.1.1.1' })).to.match(/blocked.*again/)
    expect(access.remove({ effect: 'block', range: '10.9.9.9/8' })).to.equal(true)
    expect(access.remove({ effect: 'block', range: '10.9.9.9/8' })).to.equal(false)
    expect(access.refuses({ address: '10.1.1.1' })).to.equal(undefined)
    expect(access.refuses({ address: '11.1.1.1' })).to.be.a('string')
    expect(access.remove({ effect: 'allow', range: '10.0.0.0/8' })).to.equal(true)
    expect(access.refuses({ address: '11.1.1.1' }), 'nothing is left of the allow rule').to.equal(undefined)
  })

  it('tell of changes, once for those in a row', async () => {
    const logger = recordingLogger()
    const access = new AccessLists({ logger })
    const told: number[] = []
    access.onChange(() => {
      throw new Error('a listener of the application')
    })
    const stop = access.onChange((rules) => told.push(rules.length))
    access.block({ peerId: A })
    access.block({ peerId: B })
    expect(access.refuses({ peerId: B }), 'counts before anybody is told').to.be.a('string')
    await settle()
    access.block({ peerId: A })
    access.remove({ effect: 'block', peerId: C })
    await settle()
    access.remove({ effect: 'block', peerId: A })
    await settle()
    stop()
    access.remove({ effect: 'block', peerId: B })
    await settle()
    expect(told).to.deep.equal([2, 1])
    expect(logged(logger, 'error')).to.have.length(1)
  })

  it('refuse rules that mean nothing', () => {
    const access = new AccessLists()
    for (const rule of [
      null,
      [],
      'block',
      {},
      { effect: 'block' },
      { effect: 'deny', peerId: A },
      { peerId: A },
      { effect: 'block', peerId: A.slice(1) },
      { effect: 'block', peerId: A.toUpperCase() },
      { effect: 'block', peerId: null },
      { effect: 'block', range: '10.0.0.0/33' },
      { effect: 'block', range: 10 },
      { effect: 'block', group: '' },
      { effect: 'block', group: 'a,b' },
      { effect: 'block', peerId: A, note: 'x'.repeat(201) },
      { effect: 'block', peerId: A, note: 'two\nlines' },
      { effect: 'block', peerId: A, port: 80 }
    ])
      expect(
        refusal(() => access.add(rule as AccessRule)),
        JSON.stringify(rule)
      ).to.equal('ERR_ACCESS_RULE')
    expect(access.list.current).to.deep.equal([])
  })

  it('survive as JSON, and nothing else is read', () => {
    const rules: AccessRule[] = [
      { effect: 'allow', range: '10.0.0.0/8' },
      { effect: 'block', peerId: A, group: 'shop', note: 'lost' }
    ]
    const stored = JSON.stringify(new AccessLists({ rules }))
    expect(AccessLists.from(JSON.parse(stored)).list.current).to.deep.equal(rules)
    for (const json of [
      null,
      [],
      {},
      'text',
      { version: 1 },
      { version: 2, rules: [] },
      { version: 1, rules: {} },
      { version: 1, rules: [], more: true },
      { version: 1, rules: [...rules, { effect: 'block' }] },
      { version: 1, rules: [null] }
    ])
      expect(
        refusal(() => AccessLists.from(json)),
        JSON.stringify(json)
      ).to.equal('ERR_ACCESS_FORMAT')
  })

  it('have a bound', () => {
    const access = new AccessLists()
    for (let index = 0; index < 100_000; index++) access.block({ range: `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}` })
    expect(refusal(() => access.block({ peerId: A }))).to.equal('ERR_ACCESS_FULL')
    expect(access.block({ range: '10.0.0.0', note: 'a note takes no room' })).to.equal(true)
    expect(access.refuses({ address: '10.1.134.159' })).to.match(/blocked/)
    expect(access.refuses({ address: '10.1.134.160' })).to.equal(undefined)
  })
})

const peers = fc.constantFrom(A, B)
const groups = fc.constantFrom('shop', 'chat')
const ranges = fc.constantFrom('10.0.0.0/8', '10.1.0.0/16', '10.1.1.1', '0.0.0.0/0', 'fe80::/10', '::/0', '2001:db8::1')
const addresses = fc.constantFrom('10.1.1.1', '10.1.2.2', '10.2.2.2', '192.168.1.1', '::ffff:10.1.1.1', 'fe80::1%eth0', '2001:db8::1')
const rule = fc
  .record({ effect: fc.constantFrom('allow', 'block'), peerId: peers, range: ranges, group: groups }, { requiredKeys: ['effect'] })
  .filter((each) => each.peerId !== undefined || each.range !== undefined || each.group !== undefined) as fc.Arbitrary<AccessRule>
const subject = fc.record({ peerId: fc.oneof(peers, fc.constant(C)), address: fc.oneof(addresses, fc.constant(null)), group: groups })

/** Whether a value, or what is not known of it, is what a rule names: as the documentation says it, one rule after the other. */
function oracle(rules: readonly AccessRule[], { peerId, address, group }: AccessSubject): boolean {
  const inRange = (range: string): boolean => {
    const [head = '', prefix] = range.split('/')
    const list = new BlockList()
    const family = isIP(head) === 4 ? 'ipv4' : 'ipv6'
    if (prefix === undefined) list.addAddress(head, family)
    else list.addSubnet(head, Number(prefix), family)
    const plain = (address ?? '').replace(/^::ffff:/, '').replace(/%.*/, '')
    return isIP(plain) === isIP(head) && list.check(plain, family)
  }
  const meets = (each: AccessRule, unknown: boolean): boolean =>
    [
      each.peerId === undefined || (peerId === undefined ? unknown : each.peerId === peerId),
      each.range === undefined || (address === undefined ? unknown : address !== null && inRange(each.range)),
      each.group === undefined || (group === undefined ? unknown : each.group === group)
    ].every(Boolean)
  if (rules.some((each) => each.effect === 'block' && meets(each, false))) return false
  const allows = rules.filter((each) => each.effect === 'allow')
  const satisfied = (kind: 'peerId' | 'range' | 'group', known: boolean): boolean => {
    const naming = allows.filter((each) => each[kind] !== undefined)
    return naming.length === 0 || !known || naming.some((each) => meets(each, true))
  }
  return satisfied('peerId', peerId !== undefined) && satisfied('range', address !== undefined) && satisfied('group', group !== undefined)
}

describe('AccessLists, for any rules', () => {
  const partial = fc.tuple(subject, fc.subarray(['peerId', 'address', 'group'] as const)).map(([whole, known]) => ({
    whole: whole as AccessSubject,
    part: Object.fromEntries(known.map((field) => [field, whole[field]])) as AccessSubject
  }))

  it('decide as the rules read one by one', () => {
    let refused = 0
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), partial, (rules, { part }) => {
        const welcome = new AccessLists({ rules }).refuses(part) === undefined
        expect(welcome).to.equal(oracle(rules, part))
        if (!welcome) refused++
      }),
      { numRuns: 2000 }
    )
    expect(refused).to.be.greaterThan(200)
    expect(refused).to.be.lessThan(1800)
  })

  it('refuse more and never less when more is known', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), partial, (rules, { part, whole }) => {
        const access = new AccessLists({ rules })
        if (access.refuses(part) !== undefined) expect(access.refuses(whole)).to.be.a('string')
      }),
      { numRuns: 1000 }
    )
  })

  it('depend neither on the order nor on what was there in between', () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 6 }), fc.array(rule, { maxLength: 6 }), partial, (rules, others, { part }) => {
        const direct = new AccessLists({ rules: [...rules].reverse() })
        const access = new AccessLists({ rules: [...others, ...rules] })
        const kept = new Set(direct.list.current.map((each) => JSON.stringify(Object.entries(each).sort())))
        for (const other of access.list.current) if (!kept.has(JSON.stringify(Object.entries(other).sort()))) access.remove(other)
        expect(access.list.current).to.have.deep.members([...direct.list.current])
        expect(access.refuses(part) === undefined).to.equal(direct.refuses(part) === undefined)
        expect(AccessLists.from(JSON.parse(JSON.stringify(access))).refuses(part) === undefined).to.equal(
          access.refuses(part) === undefined
        )
      })
    )
  })
})
