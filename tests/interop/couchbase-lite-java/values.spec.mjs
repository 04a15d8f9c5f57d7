// Document ids and bodies at their limits, and numbers to the last bit.
import { expect } from 'chai'
import { useStage } from './stage.mjs'

const ids = [
  'a',
  'with blanks and "quotes" \\ / ? # % & = + , ; : @',
  'größe-日本-🍎',
  'e\u0301 is not \u00e9',
  '\u00e9 is not e\u0301',
  '\u2028\u2029\ufeff',
  'toString',
  '__proto__'.slice(2),
  'constructor',
  'x'.repeat(240),
  '🍎'.repeat(60)
]

const texts = {
  empty: '',
  quotes: '"\\/\b\f\n\r\t',
  controls: Array.from({ length: 31 }, (_, n) => String.fromCharCode(n + 1)).join(''),
  nul: 'a\u0000b',
  separators: '\u2028\u2029',
  beyond: '𝄞🍎\u{10ffff}',
  combined: 'e\u0301\u200d\ufeff',
  long: 'ä'.repeat(100_000)
}

/** An object with so many levels of objects and arrays. */
function nested(levels, leaf) {
  let value = leaf
  for (let n = 1; n < levels; n++) value = n % 2 === 0 ? [value] : { in: value }
  return { in: value }
}

async function expect240(put) {
  await put('x'.repeat(240))
  const failure = await Promise.resolve('x'.repeat(241))
    .then(put)
    .catch((error) => error)
  expect(failure).to.be.an('error')
}

describe('values with Couchbase Lite Java', () => {
  const stage = useStage()

  /** The same documents from them to us, and on to another database of theirs that is empty. */
  async function thereAndOn(fill) {
    const ours = await stage.ours()
    const [from, to] = [stage.theirs(), stage.theirs()]
    await fill(from)
    expect(await from.replicate(ours.url))
      .to.deep.include({ failed: {} })
      .and.not.to.have.property('error')
    expect(await to.replicate(ours.url))
      .to.deep.include({ failed: {} })
      .and.not.to.have.property('error')
    return { ours, from, to }
  }

  it('has ids of every kind, from them and from us', async () => {
    const { ours, to } = await thereAndOn(async (from) => {
      await from.putMany(Object.fromEntries(ids.map((id, n) => [id, { n }])))
    })
    for (const id of ids) ours.collection.put(id, { again: id })
    expect((await to.replicate(ours.url)).pulled).to.deep.equal([...ids].sort())
    for (const id of ids) expect((await to.get(id)).body).to.deep.equal({ again: id })
    await ours.expectSame(to)
  })

  it('has no ids above 240 bytes, there or here', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await expect240(async (id) => {
      await theirs.put(id, { by: 'them' })
    })
    await expect240((id) => {
      ours.collection.put(`y${id.slice(1)}`, { by: 'us' })
    })
    await theirs.replicate(ours.url)
    await ours.expectSame(theirs)
  })

  it('has text of every kind, in values and keys', async () => {
    // It cuts text at NUL when it takes a value from the application.
    const { nul, ...bearable } = texts
    const keys = Object.fromEntries(Object.entries(bearable).map(([name, text]) => [`key ${text.slice(0, 1000)}`, name]))
    const { ours, from, to } = await thereAndOn((database) => database.putMany({ texts: bearable, keys }))
    expect((await to.get('texts')).body).to.deep.equal(bearable)
    expect((await to.get('keys')).body).to.deep.equal(keys)
    expect(await to.list()).to.deep.equal(await from.list())
    await ours.expectSame(to)
  })

  it('has text of every kind from us', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    ours.collection.put('texts', texts)
    await theirs.replicate(ours.url)
    expect((await theirs.get('texts')).body).to.deep.equal(texts)
    await ours.expectSame(theirs)
  })

  it('has empty documents and empty containers', async () => {
    const { ours, to } = await thereAndOn((database) =>
      database.putMany({ nothing: {}, hollow: { a: [], o: {}, n: null, f: false, z: 0, s: '' } })
    )
    ours.collection.put('ours', {})
    await to.replicate(ours.url)
    expect((await to.get('ours')).body).to.deep.equal({})
    expect((await to.get('nothing')).body).to.deep.equal({})
    await ours.expectSame(to)
  })

  it('has nesting as deep as its JSON reader goes, and refuses deeper documents alone', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    await theirs.put('theirs', nested(100, 'leaf'))
    ours.collection.putMany([40, 48, 49, 200].map((levels) => ({ id: `ours-${levels}`, body: nested(levels, 'leaf') })))
    const report = await theirs.replicate(ours.url)
    expect(report)
      .to.deep.include({ pushed: ['theirs'], pulled: ['ours-40', 'ours-48'] })
      .and.not.to.have.property('error')
    expect(Object.keys(report.failed)).to.have.members(['ours-200', 'ours-49'])
    expect(ours.collection.get('theirs').body).to.deep.equal(nested(100, 'leaf'))
    expect((await theirs.get('ours-48')).body).to.deep.equal(nested(48, 'leaf'))
  })

  it('has large documents', async () => {
    const large = (by) => ({
      by,
      lines: Array.from({ length: 20_000 }, (_, n) => `line ${n} of a document that is larger than many frames`)
    })
    const { ours, to } = await thereAndOn((database) => database.put('theirs', large('them')))
    ours.collection.put('ours', large('us'))
    await to.replicate(ours.url)
    await ours.expectSame(to)
  })

  const numbers = {
    zero: 'long 0',
    one: 'long 1',
    negative: 'long -1',
    word: 'long 2147483648',
    safe: 'long 9007199254740991',
    unsafe: 'long 9007199254740993',
    most: 'long 9223372036854775807',
    least: 'long -9223372036854775808',
    point: 'double 0.1',
    third: `double ${1 / 3}`,
    tiny: 'double 4.9E-324',
    huge: 'double 1.7976931348623157E308',
    precise: 'double 1.234567890123456E15',
    half: 'double -0.5'
  }

  it('keeps numbers to the last bit, 64-bit integers and doubles', async () => {
    const { ours, from, to } = await thereAndOn((database) => database.putNumbers('numbers', numbers))
    expect(await from.numbers('numbers')).to.deep.equal(numbers)
    expect(await to.numbers('numbers')).to.deep.equal(numbers)
    const json = ours.collection.get('numbers').json().toString()
    expect(json).to.contain('9223372036854775807').and.contain('-9223372036854775808').and.contain('9007199254740993')
    expect((await to.get('numbers')).rev).to.equal((await from.get('numbers')).rev)
  })

  it('keeps 1.0 apart from 1', async () => {
    const kinds = { whole: 'long 1', real: 'double 1.0', zero: 'double 0.0', thousand: 'double 1000.0' }
    const { to } = await thereAndOn((database) => database.putNumbers('kinds', kinds))
    expect(await to.numbers('kinds')).to.deep.equal(kinds)
  })

  it('takes numbers from JSON of ours as they are written', async () => {
    const ours = await stage.ours()
    const theirs = stage.theirs()
    ours.collection.put('written', '{"whole":1,"real":1.5,"most":9223372036854775807,"exponent":1e3,"negative":-12.25}')
    await theirs.replicate(ours.url)
    const expected = {
      whole: 'long 1',
      real: 'double 1.5',
      most: 'long 9223372036854775807',
      exponent: 'double 1000.0',
      negative: 'double -12.25'
    }
    expect(await theirs.numbers('written')).to.deep.equal(expected)
  })
})
