import { expect } from 'chai'
import { drawPicture } from '../dist/model/draw.js'
import { imageTypeOf } from '../dist/model/image-type.js'
import { newConflictId, readConflict, writeConflict } from '../dist/model/conflict-record.js'
import { targetOf, validationModes } from '../dist/model/modes.js'
import { UserList } from '../dist/model/users.js'
import { parseRemembered } from '../dist/peer/remembered.js'
import { altNamesOf } from '../dist/peer/host-name.js'

const url = 'wss://inventory-shop.local:4984/userdb'

describe('which URL is connected to', () => {
  it('is one with TLS for every check of a certificate', () => {
    for (const mode of validationModes.filter((one) => one !== 'plain')) {
      expect(targetOf(url, true, mode), mode).to.deep.equal({ url })
      // A listener of another application says nothing of TLS.
      expect(targetOf('ws://inventory-shop.local:4984/userdb', undefined, mode), mode).to.deep.equal({ url })
    }
  })

  it('is none when the listener says that it has no TLS: a forged advertisement must not get at the password', () => {
    for (const mode of validationModes.filter((one) => one !== 'plain'))
      expect(targetOf(url, false, mode), mode)
        .to.have.property('refused')
        .that.matches(/password would go in the clear/)
  })

  it('is one without TLS only when that was chosen', () => {
    expect(targetOf(url, false, 'plain')).to.deep.equal({ url: url.replace('wss', 'ws') })
    expect(targetOf(url, undefined, 'plain')).to.deep.equal({ url: url.replace('wss', 'ws') })
    expect(targetOf(url, true, 'plain')).to.have.property('refused')
  })
})

describe('the user list', () => {
  const scrypt = '00112233445566778899aabbccddeeff:3b5f'
  it('lets in who is on it, with the right password', async () => {
    const users = new UserList('[{"name":"bob","password":"password"},{"name":"alice","password":"secret"}]')
    expect(users.names).to.deep.equal(['bob', 'alice'])
    expect(await users.check('bob', 'password')).to.equal(true)
    for (const [name, password] of [
      ['bob', 'secret'],
      ['bob', ''],
      ['eve', 'password'],
      ['', ''],
      ['__proto__', ''],
      ['', '\0']
    ] as const)
      expect(await users.check(name, password), name).to.equal(false)
  })

  it('takes hashes, so that nobody has to keep passwords', async () => {
    const { scryptSync } = await import('node:crypto')
    const salt = Buffer.from('00112233445566778899aabbccddeeff', 'hex')
    const users = new UserList(
      JSON.stringify([{ name: 'bob', scrypt: `${salt.toString('hex')}:${scryptSync('pass', salt, 32).toString('hex')}` }])
    )
    expect(await users.check('bob', 'pass')).to.equal(true)
    expect(await users.check('bob', 'Pass')).to.equal(false)
  })

  it('says which entry cannot be used', () => {
    for (const text of [
      '{}',
      '[null]',
      '[{"name":"bob"}]',
      '[{"name":"../bob","password":"x"}]',
      '[{"name":".","password":"x"}]',
      `[{"name":"bob","scrypt":"${scrypt}"}]`
    ])
      expect(() => new UserList(text), text).to.throw(TypeError)
  })
})

describe('pictures', () => {
  it('are what their bytes say', () => {
    expect(imageTypeOf(drawPicture('Apples'))).to.equal('image/png')
    expect(imageTypeOf(Buffer.from([0xff, 0xd8, 0xff, 0xe0]))).to.equal('image/jpeg')
    expect(imageTypeOf(Buffer.from('RIFF____WEBPVP8 '))).to.equal('image/webp')
    expect(imageTypeOf(Buffer.from('GIF89a'))).to.equal('image/gif')
    for (const text of ['', '<svg xmlns="http://www.w3.org/2000/svg"/>', '<html>', 'RIFF____WAVE', '\x89PNG'])
      expect(imageTypeOf(Buffer.from(text, 'latin1')), text).to.equal(undefined)
  })

  it('of the sample are the same on every device', () => {
    expect(drawPicture('Pears').equals(drawPicture('Pears'))).to.equal(true)
    expect(drawPicture('Pears').equals(drawPicture('Apples'))).to.equal(false)
  })
})

describe('records of conflicts', () => {
  const at = '2026-01-02T03:04:05.678Z'
  const record = {
    id: newConflictId(at),
    at,
    between: ['Shop', 'Office'],
    revisions: ['2-a', '2-b'],
    decisions: [
      { id: 'x', local: { name: 'A', quantity: 1, removed: false }, result: { name: 'A', quantity: 1, removed: true }, why: ['removed'] }
    ]
  } as const

  it('come back as they were written, and sort by time', () => {
    expect(readConflict(record.id, JSON.parse(JSON.stringify(writeConflict(record))) as Record<string, unknown>)).to.deep.equal(record)
    expect(newConflictId('2026-01-02T03:04:05.679Z') > record.id).to.equal(true)
  })

  it('from others are bounded, and nothing when they make no sense', () => {
    expect(readConflict('conflict:x', {})).to.equal(undefined)
    expect(readConflict('conflict:x', { type: 'conflict', at: 'never', decisions: [] })).to.equal(undefined)
    const odd = readConflict('conflict:x', {
      type: 'conflict',
      at,
      between: 'x',
      decisions: [1, null, { result: { name: 'n'.repeat(999), quantity: '1' }, why: ['removed', 'invented'] }]
    })
    expect(odd).to.deep.include({
      between: ['', ''],
      decisions: [{ id: '', result: { name: 'n'.repeat(100), quantity: 0, removed: false }, why: ['removed'] }]
    })
  })
})

describe('the host name of a device', () => {
  it('is fit for DNS whatever the device is called', () => {
    expect(altNamesOf('Büro 2')[0]).to.equal('inventory-b-ro-2.local')
    expect(altNamesOf('…')[0]).to.equal('inventory-peer.local')
  })
})

describe('what is remembered of the last login', () => {
  it('is taken as far as it makes sense', () => {
    const good = { key: 'k', name: 'Shop', mode: 'pinned', pin: 'abcd' }
    expect(
      parseRemembered({ listener: 'identity', connections: [good, { ...good, mode: 'sometimes' }, null, 7, { key: 1 }] })
    ).to.deep.equal({
      listener: 'identity',
      connections: [good]
    })
    for (const nonsense of [null, 1, 'x', [], {}, { listener: 'maybe', connections: 'none' }])
      expect(parseRemembered(nonsense)).to.deep.equal({ connections: [] })
  })
})
