import { createHash } from 'node:crypto'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Dashboard, DashboardFailure } from '@kithmesh/dashboard'
import { Access, hostname } from '../dist/http/access.js'
import { type TestPeer, World, ask, tokenOf } from './support/world.ts'

describe('who may look at a dashboard', () => {
  let world: World
  let peer: TestPeer
  let dashboard: Dashboard
  beforeEach(async () => {
    world = new World()
    peer = await world.peer('Shop')
    dashboard = await world.dashboard(peer)
  })
  afterEach(async () => {
    await world.end()
  })

  const everything = [
    '/',
    '/main.js',
    '/api/state',
    '/api/events',
    '/api/collections',
    '/api/documents',
    '/api/document?id=a',
    '/api/blob',
    '/api/report',
    '/metrics',
    '/nothing'
  ]
  const refused = async (path: string, options: Parameters<typeof ask>[2]): Promise<string> => {
    const { status, text } = await ask(dashboard, path, options)
    const code = text.startsWith('{') ? (JSON.parse(text) as DashboardFailure).error.code : text
    return `${status} ${code ?? ''}`
  }

  it('is nobody without the token, whatever is asked for', async () => {
    for (const path of everything) {
      expect(await refused(path, { token: false })).to.equal('401 ERR_DASHBOARD_TOKEN')
      for (const authorization of [
        'Bearer wrong-token-wrong-token',
        `Bearer ${tokenOf(dashboard)}x`,
        `Basic ${tokenOf(dashboard)}`,
        'Bearer',
        'Bearer  '
      ])
        expect(await refused(path, { token: false, headers: { authorization } })).to.equal('401 ERR_DASHBOARD_TOKEN')
    }
  })

  it('tells people in a browser what to do without the token', async () => {
    for (const path of ['/', '/?token=wrong-token-wrong-token']) {
      const { status, text, headers } = await ask(dashboard, path, { token: false, headers: { accept: 'text/html,*/*' } })
      expect(status).to.equal(401)
      expect(headers['content-type']).to.equal('text/plain; charset=utf-8')
      expect(text).to.include('token')
      expect(headers['set-cookie']).to.equal(undefined)
    }
  })

  it('is who opens the URL: the token is exchanged for a cookie that does not tell it', async () => {
    const url = new URL(dashboard.url ?? '')
    const entered = await ask(dashboard, url.pathname + url.search, { token: false, headers: { 'sec-fetch-site': 'cross-site' } })
    expect(entered.status).to.equal(303)
    expect(entered.headers['location']).to.equal('/')
    expect(entered.headers['referrer-policy']).to.equal('no-referrer')
    const [cookie = ''] = entered.headers['set-cookie'] as string[]
    expect(cookie).to.match(new RegExp(`^kithmesh-${dashboard.port}=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=/; Max-Age=\\d+$`))
    const pair = cookie.split(';')[0] ?? ''
    expect(pair).not.to.include(tokenOf(dashboard))
    expect(pair).not.to.include(createHash('sha256').update(tokenOf(dashboard)).digest('base64url'))
    for (const [path, status] of [
      ['/', 200],
      ['/main.js', 200],
      ['/api/state', 200],
      ['/metrics', 200],
      ['/nothing', 404]
    ] as const)
      expect((await ask(dashboard, path, { token: false, headers: { cookie: `a=b; ${pair}; c="d` } })).status).to.equal(status)
    for (const wrong of [`${pair}x`, pair.replace(/^[^=]+/, 'kithmesh-1'), `x${pair}`, '=;;==', tokenOf(dashboard)])
      expect((await ask(dashboard, '/api/state', { token: false, headers: { cookie: wrong } })).status).to.equal(401)
  })

  it('is asked under its own name only, so that no other page can point a name here', async () => {
    const port = dashboard.port ?? 0
    for (const host of ['127.0.0.1', `127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', 'localhost.', '[::1]:80', '127.8.9.10'])
      expect((await ask(dashboard, '/api/state', { headers: { host } })).status, host).to.equal(200)
    for (const host of [
      'evil.example',
      `evil.example:${port}`,
      '127.0.0.1.evil.example',
      'localhost.evil.example',
      '192.168.1.4',
      '0.0.0.0',
      '[::1',
      'a@localhost',
      'localhost/x',
      '127.0.0.1:port'
    ])
      expect(await refused('/api/state', { headers: { host } }), host).to.equal('403 ERR_DASHBOARD_HOST')
    // The token in the URL makes no difference.
    expect((await ask(dashboard, `/?token=${tokenOf(dashboard)}`, { headers: { host: 'evil.example' } })).status).to.equal(403)
  })

  it('is not asked by pages of other sites, nor of other ports of this machine', async () => {
    const port = dashboard.port ?? 0
    const host = `127.0.0.1:${port}`
    for (const origin of [`http://${host}`, `https://${host}`])
      expect((await ask(dashboard, '/api/state', { headers: { host, origin } })).status).to.equal(200)
    for (const origin of [
      'null',
      'http://evil.example',
      `http://127.0.0.1:${port + 1}`,
      `http://localhost:${port}`,
      `http://${host}.evil.example`,
      `http://${host}/`,
      ''
    ])
      expect(await refused('/api/state', { headers: { host, origin } }), origin).to.equal('403 ERR_DASHBOARD_HOST')
    for (const site of ['same-origin', 'none'])
      expect((await ask(dashboard, '/api/state', { headers: { 'sec-fetch-site': site } })).status).to.equal(200)
    for (const site of ['same-site', 'cross-site', 'nonsense'])
      expect(await refused('/api/state', { headers: { 'sec-fetch-site': site } }), site).to.equal('403 ERR_DASHBOARD_HOST')
  })

  it('changes nothing: only GET and HEAD are answered, and bodies are not read', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'PROPFIND']) {
      const { status, headers } = await ask(dashboard, '/api/state', { method })
      expect(status, method).to.equal(405)
      expect(headers['allow']).to.equal('GET, HEAD')
      expect(Object.keys(headers).some((name) => name.startsWith('access-control'))).to.equal(false)
    }
    expect(await refused('/api/state', { body: 'x', headers: { 'content-length': '1' } })).to.equal('400 ERR_DASHBOARD_REQUEST')
    for (const path of ['/', '/api/state', '/metrics', '/main.js']) {
      const head = await ask(dashboard, path, { method: 'HEAD' })
      expect(head.status).to.equal(200)
      expect(head.body).to.have.length(0)
      expect(Number(head.headers['content-length'])).to.be.greaterThan(0)
    }
  })

  it('serves the files of the page and no others', async () => {
    const page = await ask(dashboard, '/')
    expect(page.text).to.include('<title>page</title>')
    expect(page.headers['content-type']).to.equal('text/html; charset=utf-8')
    expect(page.headers['content-security-policy']).to.include("default-src 'self'")
    expect(page.headers['content-security-policy']).to.include("frame-ancestors 'none'")
    expect(page.headers['x-content-type-options']).to.equal('nosniff')
    const script = await ask(dashboard, '/main.js')
    expect(script.headers['content-type']).to.equal('text/javascript; charset=utf-8')
    const again = await ask(dashboard, '/main.js', { headers: { 'if-none-match': String(script.headers['etag']) } })
    expect([again.status, again.body.length]).to.deep.equal([304, 0])
    const escapes = [
      '/secret.txt',
      '/../secret.txt',
      '/..%2fsecret.txt',
      '/%2e%2e/%2e%2e/etc/passwd',
      '/../../../../../../etc/passwd',
      '//etc/passwd',
      '/main.js/../secret.txt',
      '/main.js%00.txt',
      '/.\\..\\secret.txt',
      '/constructor',
      '/__proto__',
      '/index.html/',
      '/MAIN.JS'
    ]
    for (const path of escapes) expect((await ask(dashboard, path)).status, path).to.equal(404)
    // As proxies are asked.
    expect((await ask(dashboard, 'http://evil.example/')).status).to.equal(400)
    expect((await ask(dashboard, '/favicon.ico', { token: false })).status).to.equal(204)
  })

  it('may be asked by address from elsewhere when it is for other machines too, but not by a name that is not known', () => {
    const access = new Access({ token: 'x'.repeat(16), hosts: ['shop.example'], remote: true })
    const check = (host: string): void => {
      access.checkHost({ host, origin: undefined, fetchSite: undefined, authorization: undefined, cookie: undefined })
    }
    for (const host of ['192.168.1.4:80', '[2001:db8::1]', 'shop.example', 'localhost']) check(host)
    for (const host of ['evil.example', 'shop.example.evil', '192.168.1.4.evil.example']) expect(() => check(host), host).to.throw()
  })

  it('reads no host name out of what is none', () => {
    expect(hostname('[FE80::1]:80')).to.equal('fe80::1')
    expect(hostname('[fe80::1%eth0]:80')).to.equal('')
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(hostname(text)).to.match(/^[^\s/@]*$/)
      })
    )
  })
})
