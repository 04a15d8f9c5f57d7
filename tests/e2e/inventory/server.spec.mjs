import { request } from 'node:http'
import { once } from 'node:events'
import { expect } from 'chai'
import { useDevices } from './devices.mjs'

/** What only somebody who is not the page would send. */
describe('the page server of the inventory', () => {
  const devices = useDevices()

  /** Sends a request as it is, whatever a browser would do about it; gives back status, headers and text. */
  async function send(port, path, { method = 'GET', headers = {}, body } = {}) {
    const outgoing = request({ host: '127.0.0.1', port, path, method, headers: { host: `127.0.0.1:${port}`, ...headers } })
    // A body that is refused is cut off while it is sent.
    outgoing.on('error', () => {})
    outgoing.end(body)
    const [response] = await once(outgoing, 'response')
    let text = ''
    for await (const chunk of response) text += chunk
    return { status: response.statusCode, headers: response.headers, text }
  }

  async function open() {
    const url = new URL((await devices.one('alice')).url)
    const port = Number(url.port)
    const { status, headers } = await send(port, `${url.pathname}${url.search}`)
    expect(status).to.equal(303)
    const [cookie] = headers['set-cookie'][0].split(';')
    const own = { cookie, origin: `http://127.0.0.1:${port}` }
    const post = async (path, value, more = {}) =>
      await send(port, path, {
        method: 'POST',
        headers: { ...own, 'content-type': 'application/json', ...more },
        body: typeof value === 'string' ? value : JSON.stringify(value)
      })
    const state = async () => JSON.parse((await send(port, '/api/state', { headers: own })).text)
    return { port, token: url.searchParams.get('token'), own, post, state }
  }

  it('answers nobody without its secret, and nobody who came by another name or from another site', async () => {
    const { port, token, own } = await open()
    for (const path of ['/', '/main.js', '/api/state', '/api/events', '/api/certificate', '/nothing', '/?token=wrong']) {
      const { status, text } = await send(port, path)
      expect(status, path).to.equal(401)
      expect(text).to.not.include('alice')
    }
    expect((await send(port, '/api/state', { headers: own })).status).to.equal(200)
    expect((await send(port, '/api/state', { headers: { authorization: `Bearer ${token}` } })).status).to.equal(200)
    expect((await send(port, '/api/state', { headers: { ...own, host: `evil.example:${port}` } })).status).to.equal(421)
    expect((await send(port, '/api/state', { headers: { ...own, origin: 'http://evil.example' } })).status).to.equal(403)
    expect((await send(port, '/api/logout', { method: 'POST', headers: { cookie: own.cookie } })).status).to.equal(403)
    expect((await send(port, '/api/logout', { method: 'POST', headers: { ...own, origin: 'null' } })).status).to.equal(403)
  })

  it('sends the headers that keep a browser from doing anything else with what it gets', async () => {
    const { port, own } = await open()
    const { headers } = await send(port, '/', { headers: own })
    expect(headers['content-security-policy'])
      .to.include("default-src 'none'")
      .and.to.include("script-src 'self'")
      .and.to.not.include('unsafe')
    expect(headers).to.include({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
    const { items } = JSON.parse((await send(port, '/api/state', { headers: own })).text)
    const picture = await send(port, items[0].picture, { headers: own })
    expect(picture.headers['content-type']).to.equal('image/png')
  })

  it('takes no more than it should: sizes, types, numbers, addresses', async () => {
    const { port, own, post, state } = await open()
    const { items } = await state()
    const path = `/api/items/${encodeURIComponent(items[0].id)}`
    const upload = async (body, headers = {}) =>
      await send(port, `${path}/picture`, { method: 'POST', headers: { ...own, ...headers }, body })
    expect((await upload(Buffer.alloc(3_000_000))).status).to.equal(413)
    expect((await upload(Buffer.alloc(3_000_000), { 'transfer-encoding': 'chunked' })).status).to.equal(413)
    expect(
      (await upload('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>', { 'content-type': 'image/png' })).status
    ).to.equal(415)
    expect((await upload('')).status).to.equal(415)
    expect((await post('/api/items', 'x'.repeat(10_000))).status).to.equal(413)
    expect((await post('/api/items', { name: 'A', quantity: 1 }, { 'content-type': 'text/plain' })).status).to.equal(415)
    for (const body of [
      '',
      '[]',
      'null',
      '{',
      { name: 'A' },
      { name: 1, quantity: 1 },
      { name: 'A', quantity: 1.5 },
      { name: 'A', quantity: '1' },
      { name: ' ', quantity: 1 }
    ])
      expect((await post('/api/items', body)).status, JSON.stringify(body)).to.equal(400)
    expect((await post('/api/items/nobody/change', { by: 1 })).status).to.equal(400)
    for (const bad of [
      '/../peer.js',
      '/%2e%2e/peer.js',
      '/api/items/*',
      '/api/items/%zz/change',
      '/api/picture/..%2f..%2fidentity.pem',
      '/identity.pem',
      '//evil',
      '/api'
    ])
      expect((await send(port, bad, { headers: own })).status, bad).to.be.oneOf([400, 404])
    expect((await post('/api/connect', { url: 'http://127.0.0.1/userdb', mode: 'any' })).status).to.equal(400)
    expect((await post('/api/connect', { key: 'nobody', mode: 'any' })).status).to.equal(400)
    expect((await post('/api/connect', { key: 'nobody', mode: 'whatever' })).status).to.equal(400)
    expect((await post('/api/listener', { on: true, tls: 'maybe' })).status).to.equal(400)
    expect((await state()).items).to.deep.equal(items)
  })

  it('slows down who guesses passwords', async () => {
    const { post } = await open()
    const first = []
    for (let index = 0; index < 5; index += 1) first.push((await post('/api/login', { name: 'bob', password: `guess ${index}` })).status)
    expect(first).to.deep.equal([400, 400, 400, 400, 400])
    // More than are allowed again while they are looked at, however slow that is.
    const guess = async (_, index) => (await post('/api/login', { name: 'bob', password: `another ${index}` })).status
    const answers = await Promise.all(Array.from({ length: 60 }, guess))
    expect(new Set(answers)).to.deep.equal(new Set([400, 429]))
    expect((await post('/api/login', { name: 'alice', password: 'password' })).status).to.equal(429)
  })

  it('tells every open page of a change, and lets only so many be open', async () => {
    const { port, own, post } = await open()
    const streams = []
    const statuses = []
    for (let index = 0; index < 17; index += 1) {
      const outgoing = request({ host: '127.0.0.1', port, path: '/api/events', headers: { host: `127.0.0.1:${port}`, ...own } }).end()
      outgoing.on('error', () => {})
      const [response] = await once(outgoing, 'response')
      statuses.push(response.statusCode)
      streams.push(response)
    }
    expect(statuses.filter((status) => status === 200)).to.have.length(16)
    expect(statuses.at(-1)).to.equal(503)
    const told = new Promise((resolve) => {
      let text = ''
      streams[0].on('data', (data) => {
        text += data
        if (text.includes('"Quinces"')) resolve()
      })
    })
    expect((await post('/api/items', { name: 'Quinces', quantity: 1 })).status).to.equal(200)
    await told
    for (const stream of streams) stream.destroy()
  })
})
