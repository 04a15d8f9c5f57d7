import { expect } from 'chai'
import fc from 'fast-check'
import { addItem, changeQuantity, editItem, removeItem, restoreItem } from '../dist/model/edits.js'
import { isListed, quantityOf } from '../dist/model/item.js'
import { type List, listedItems, readList, writeList } from '../dist/model/list-document.js'
import { isDecision, resolveLists } from '../dist/model/resolve.js'

const alice = 'aaaaaaaa'
const bob = 'bbbbbbbb'
const carol = 'cccccccc'
const sample = readList({
  type: 'list',
  list: [
    { key: 'Apples', value: 10 },
    { key: 'Oranges', value: 110 }
  ]
})
const idOf = (name: string): string => [...sample.values()].find((item) => item.name.value === name)?.id ?? name
const apples = idOf('Apples')
const oranges = idOf('Oranges')
const picture = (letter: string) => ({
  '@type': 'blob' as const,
  digest: `sha1-${letter.repeat(27)}=`,
  length: 3,
  content_type: 'image/png'
})

/** A list as people see it. */
const seen = (list: List) => listedItems(list).map((item) => `${item.name.value} ${quantityOf(item)}`)
const merge = (a: List, b: List): List => resolveLists(a, b).merged
/** As it goes over the network. */
const sent = (list: List): List => readList(JSON.parse(JSON.stringify(writeList(list))) as Record<string, unknown>)

describe('merging two versions of the list', () => {
  it('adds up what both sides did to one quantity', () => {
    const mine = changeQuantity(changeQuantity(sample, alice, apples, -1), alice, apples, -2)
    const theirs = changeQuantity(sample, bob, apples, 5)
    const { merged, decisions } = resolveLists(sent(mine), sent(theirs))
    expect(seen(merged)).to.deep.equal(['Apples 12', 'Oranges 110'])
    expect(decisions).to.have.length(1)
    expect(decisions[0]).to.deep.include({ id: apples, why: ['added-up'] })
    expect(decisions[0]?.local).to.include({ quantity: 7 })
    expect(decisions[0]?.remote).to.include({ quantity: 15 })
    expect(decisions[0]?.result).to.include({ quantity: 12 })
  })

  it('keeps both changes when they are to different items, and says who changed what', () => {
    const { merged, decisions } = resolveLists(
      changeQuantity(sample, alice, apples, 1),
      editItem(sample, bob, oranges, { name: 'Blood oranges' })
    )
    expect(seen(merged)).to.deep.equal(['Apples 11', 'Blood oranges 110'])
    expect(Object.fromEntries(decisions.map(({ id, why }) => [id, why]))).to.deep.equal({
      [apples]: ['taken-local'],
      [oranges]: ['taken-remote']
    })
  })

  it('takes the later of two names, and of equally late ones the same on both sides', () => {
    const once = editItem(sample, alice, apples, { name: 'Red apples' })
    const twice = editItem(editItem(sample, bob, apples, { name: 'Pears' }), bob, apples, { name: 'Green apples' })
    expect(seen(merge(once, twice))).to.include('Green apples 10')
    const other = editItem(sample, bob, apples, { name: 'Yellow apples' })
    expect(seen(merge(once, other)))
      .to.deep.equal(seen(merge(other, once)))
      .and.to.include('Yellow apples 10')
    expect(resolveLists(once, other).decisions[0]?.why).to.deep.equal(['later-name'])
  })

  it('keeps a rename and a new picture that were made apart', () => {
    const renamed = editItem(sample, alice, apples, { name: 'Red apples' })
    const pictured = editItem(sample, bob, apples, { picture: picture('x') })
    const item = merge(sent(renamed), sent(pictured)).get(apples)
    expect(item?.name.value).to.equal('Red apples')
    expect(item?.picture.value).to.deep.equal(picture('x'))
  })

  it('removes what was removed, unless the other side changed it without knowing', () => {
    const removed = removeItem(sample, alice, apples)
    expect(seen(merge(removed, sample))).to.deep.equal(['Oranges 110'])
    const { merged, decisions } = resolveLists(removed, changeQuantity(sample, bob, apples, -4))
    expect(seen(merged)).to.deep.equal(['Apples 6', 'Oranges 110'])
    expect(decisions[0]?.why).to.deep.equal(['added-up', 'kept'])
    // Whoever removes it having seen that change, removes it.
    expect(seen(merge(removeItem(merged, carol, apples), merged))).to.deep.equal(['Oranges 110'])
  })

  it('brings back what is restored', () => {
    const removed = removeItem(sample, alice, apples)
    expect(seen(merge(restoreItem(removed, bob, apples), removed))).to.deep.equal(['Apples 10', 'Oranges 110'])
  })

  it('shows a shortage when both sides took what was there only once', () => {
    const merged = merge(changeQuantity(sample, alice, apples, -8), changeQuantity(sample, bob, apples, -7))
    expect(quantityOf(merged.get(apples) as never)).to.equal(-5)
  })

  it('takes the larger value when an application changed it that does not say what it did, on both sides alike', () => {
    const foreign = readList({
      list: [
        { key: 'Apples', value: 13 },
        { key: 'Oranges', value: 110 }
      ]
    })
    expect(seen(merge(foreign, sample)))
      .to.deep.equal(seen(merge(sample, foreign)))
      .and.to.include('Apples 13')
    expect(resolveLists(foreign, sample).decisions[0]?.why).to.deep.equal(['foreign'])
  })

  it('decides nothing when one side has seen all of the other', () => {
    const mine = changeQuantity(sample, alice, apples, 1)
    const theirs = changeQuantity(sample, bob, oranges, 1)
    expect(isDecision(resolveLists(mine, theirs).decisions)).to.equal(true)
    const { merged } = resolveLists(mine, theirs)
    for (const one of [mine, theirs, sample]) {
      expect(isDecision(resolveLists(merged, one).decisions)).to.equal(false)
      expect(isDecision(resolveLists(one, merged).decisions)).to.equal(false)
    }
  })

  it('is no conflict at all between equal lists', () => {
    expect(resolveLists(sample, sent(sample)).decisions).to.deep.equal([])
  })

  it('ends with the same document on all devices, in whatever order and however often they meet', () => {
    const writers = [alice, bob, carol] as const
    const step = fc.record({
      who: fc.nat(2),
      what: fc.constantFrom('change', 'rename', 'picture', 'remove', 'restore', 'add', 'meet'),
      item: fc.nat(3),
      number: fc.integer({ min: -20, max: 20 }),
      with: fc.nat(2)
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const lists = [sample, sample, sample]
        let added = 0
        for (const { who, what, item, number, with: other } of steps) {
          const list = lists[who] as List
          const writer = writers[who] as string
          const id = [...list.keys()].sort()[item]
          if (what === 'meet') lists[who] = lists[other] = sent(merge(list, lists[other] as List))
          else if (what === 'add')
            lists[who] = addItem(list, writer, { id: `new${added++}`, name: `Thing ${number}`, quantity: Math.abs(number) })
          else if (id === undefined) continue
          else if (what === 'change') lists[who] = changeQuantity(list, writer, id, number)
          else if (what === 'rename') lists[who] = editItem(list, writer, id, { name: `Name ${number}` })
          else if (what === 'picture')
            lists[who] = editItem(list, writer, id, { picture: picture(String.fromCharCode(97 + ((number + 20) % 26))) })
          else if (what === 'remove') lists[who] = removeItem(list, writer, id)
          else lists[who] = restoreItem(list, writer, id)
        }
        const [a, b, c] = lists as [List, List, List]
        const text = (list: List): string => JSON.stringify(writeList(list))
        const all = text(merge(merge(a, b), c))
        for (const order of [
          merge(a, merge(b, c)),
          merge(merge(c, b), a),
          merge(merge(b, a), merge(c, a)),
          merge(sent(merge(a, c)), sent(b))
        ])
          expect(text(order)).to.equal(all)
        expect(text(merge(merge(merge(a, b), c), b))).to.equal(all)
      })
    )
  })
})

describe('editing the list', () => {
  it('never goes below none by hand', () => {
    expect(seen(changeQuantity(sample, alice, apples, -50))).to.include('Apples 0')
  })

  it('leaves a shortage to be filled', () => {
    const short = merge(changeQuantity(sample, alice, apples, -8), changeQuantity(sample, bob, apples, -7))
    expect(seen(changeQuantity(short, carol, apples, 2))).to.include('Apples -3')
    expect(seen(changeQuantity(short, carol, apples, -2))).to.include('Apples -5')
  })

  it('counts a quantity that was typed in as the difference', () => {
    expect(seen(merge(editItem(sample, alice, apples, { quantity: 7 }), changeQuantity(sample, bob, apples, 1)))).to.include('Apples 8')
  })

  it('changes nothing when nothing is changed', () => {
    expect(editItem(sample, alice, apples, { name: 'Apples', quantity: 10 })).to.equal(sample)
  })

  it('refuses what cannot be, in words for people', () => {
    expect(() => addItem(sample, alice, { id: 'x', name: '  ', quantity: 1 })).to.throw('needs a name')
    expect(() => addItem(sample, alice, { id: 'x', name: 'x'.repeat(81), quantity: 1 })).to.throw('at most 80')
    expect(() => addItem(sample, alice, { id: 'x', name: 'x', quantity: 1.5 })).to.throw('whole number')
    expect(() => editItem(sample, alice, apples, { quantity: 2_000_000_000 })).to.throw('at most')
    expect(() => changeQuantity(sample, alice, 'gone', 1)).to.throw('not in the list')
  })
})

describe('reading a list that somebody sent', () => {
  it('leaves out what is no item and bounds what is', () => {
    const list = readList({
      list: [
        null,
        7,
        'x',
        [],
        {},
        { key: '' },
        { key: 'Good', value: 3 },
        { key: 'x'.repeat(500), value: 1e300 },
        { key: 'Odd', value: 'ten', image: 'no' }
      ]
    })
    expect(listedItems(list).map(({ name }) => name.value.length)).to.have.members([4, 80, 3])
    for (const item of list.values()) expect(Math.abs(quantityOf(item))).to.be.at.most(1_000_000_000)
    expect(readList({ list: 'no' }).size).to.equal(0)
  })

  it('takes nothing of what would reach prototypes, other digests or other writers', () => {
    const body = JSON.parse(
      '{"list":[{"key":"A","value":1,"by":{"__proto__":{"edits":9},"x":{"edits":1},"aaaaaaaa":{"edits":-4,"plus":"9","minus":null}},"image":{"@type":"blob","digest":"sha1-../../etc/passwd","length":1}}]}'
    )
    const [item] = [...readList(body as Record<string, unknown>).values()]
    expect([...(item?.by.keys() ?? [])]).to.deep.equal(['aaaaaaaa'])
    expect(item?.by.get('aaaaaaaa')).to.deep.equal({ edits: 0, plus: 0, minus: 0 })
    expect(item?.picture.value).to.equal(undefined)
  })

  it('keeps what other applications put into the document', () => {
    expect(writeList(sample, { type: 'list', list: [], owner: 'x' })).to.include({ owner: 'x', type: 'list' })
  })

  it('writes the data model of the sample: key, value, image', () => {
    const [first] = writeList(editItem(sample, alice, apples, { picture: picture('y') }))['list'] as Record<string, unknown>[]
    expect(first).to.include({ key: 'Apples', value: 10 })
    expect(first?.['image']).to.deep.equal(picture('y'))
  })

  it('survives anything', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('list', 'removed', 'type'), fc.jsonValue()), (body) => {
        const list = readList(body as Record<string, unknown>)
        expect(writeList(readList(writeList(list)))).to.deep.equal(writeList(list))
      })
    )
    expect([...readList({ list: [{ key: 'A', value: 1 }] }).values()].every(isListed)).to.equal(true)
  })
})
