import { once } from 'node:events'
import { createServer } from 'node:http'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { useChromium } from '../../support/chromium.mjs'

const html = `<!doctype html><html lang="en"><title>A page</title>
<body><p id="text"></p><script>
  text.textContent = matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light'
  document.cookie = 'seen=' + (document.cookie === '' ? 'first' : 'again')
</script></body></html>`

describe('pages in Chromium', () => {
  const browser = useChromium()
  const servers = []

  async function serve(host, answer) {
    const server = createServer(answer).listen(0, host)
    servers.push(server)
    await once(server, 'listening')
    return `http://${host}:${server.address().port}/`
  }
  const servePage = (host = '127.0.0.1') =>
    serve(host, (request, response) => {
      if (request.url !== '/') response.writeHead(request.url === '/favicon.ico' ? 204 : 404).end()
      else response.setHeader('content-type', 'text/html').end(html)
    })

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections()
      server.close()
    }
  })

  it('are shown as asked for, each in a profile of its own', async () => {
    const url = await servePage()
    const light = await browser.open(url, { viewport: { width: 400, height: 700 } })
    const dark = await browser.open(url, { colorScheme: 'dark' })
    expect(await light.locator('#text').textContent()).to.equal('light')
    expect(await dark.locator('#text').textContent()).to.equal('dark')
    expect(await light.evaluate(() => [innerWidth, document.cookie])).to.deep.equal([400, 'seen=first'])
    expect(await dark.evaluate(() => document.cookie)).to.equal('seen=first')
  })

  it('have what they report as wrong collected, which fails the test unless it was expected', async () => {
    const page = await browser.open(await servePage(), { expect: [/^exception: Error: on purpose/, /^console: .*404/] })
    await page.evaluate(() => {
      setTimeout(() => {
        throw new Error('on purpose')
      })
      return fetch('/missing').then(() => {})
    })
    await page.waitForFunction(() => true)
    browser.allow(page, /^console: said/)
    await page.evaluate(() => console.error('said'))
    // The browser tells of them each in its own time.
    await eventually('three troubles', () => browser.troubles(page).length >= 3)
    const troubles = browser.troubles(page)
    expect(troubles.some((text) => text.startsWith('exception: Error: on purpose'))).to.equal(true)
    expect(troubles.some((text) => /^console: .*404.*\/missing/.test(text))).to.equal(true)
    expect(troubles).to.have.length(3)
  })

  it('reach loopback addresses only', async () => {
    let asked = 0
    const elsewhere = await serve('127.0.0.9', (_, response) => {
      asked++
      response.end()
    })
    const page = await browser.open(undefined, { expect: [/ERR_CONNECTION_REFUSED/] })
    // An address that is listened on but not among the allowed ones stands for those that must not be tried.
    for (const url of [elsewhere, 'http://somewhere.example/', 'https://somewhere.example/', 'http://[::ffff:192.0.2.1]/']) {
      const error = await page.goto(url).catch((reason) => reason)
      expect(error?.message, url).to.include('ERR_CONNECTION_REFUSED')
    }
    expect(asked).to.equal(0)
  })
})
