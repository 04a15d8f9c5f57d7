// Who may look, and what a page does when its program goes away and comes back.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { freePorts } from '../../support/ports.mjs'
import { useChromium } from '../../support/chromium.mjs'
import { textOf, usePeers } from './peers.mjs'

const gone = [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/]

describe('the page of sync, its access', () => {
  const browser = useChromium()
  const peers = usePeers()

  it('says what is wrong without the token or with another one, and shows nothing', async () => {
    const shop = await peers.make('shop')
    const url = new URL(await shop.open())
    for (const [path, title] of [
      ['/', 'no token'],
      ['/?token=wrong-wrong-wrong-wrong', 'wrong token']
    ]) {
      const page = await browser.open(undefined, { expect: [/401/] })
      const response = await page.goto(new URL(path, url).href)
      expect(response.status(), title).to.equal(401)
      expect(await textOf(page.locator('body')), title).to.match(/token/i)
      expect(await page.content(), title).to.not.include(shop.name)
    }
    const page = await browser.open(url)
    await page.getByText('Live').waitFor()
    expect(page.url(), 'the token does not stay in the address').to.equal(new URL('/', url).href)
    expect(await page.evaluate(() => document.cookie), 'scripts do not get at the cookie').to.equal('')
  })

  it('are those of two programs on one machine at once, in one browser', async () => {
    const [shop, till] = [await peers.make('shop'), await peers.make('till')]
    const first = await browser.open(await shop.open())
    const second = await first.context().newPage()
    await second.goto(await till.open())
    await second.getByText('Live').waitFor()
    await first.reload()
    await first.getByText('Live').waitFor()
    await first.locator('.detail-card').getByText(shop.name).waitFor()
    await second.locator('.detail-card').getByText(till.name).waitFor()
  })

  it('says that what it shows is old while the program is away, and goes on when it is back with the same token', async () => {
    const shop = await peers.make('shop')
    const tokenFile = join(shop.directory, '..', 'token')
    writeFileSync(tokenFile, 'a-token-that-stays-the-same\n', { mode: 0o600 })
    const [port] = await freePorts(1)
    const open = () => shop.open({ port, more: ['--web-token-file', tokenFile] })
    const page = await browser.open(await open(), { expect: gone })
    await page.getByText('Live').waitFor()
    await shop.process.stop()
    await page.getByText(/Stale: from \d+ s ago/).waitFor()
    await page.getByText(/The program does not answer; this page goes on trying\. What you see is from \d\d:\d\d:\d\d\./).waitFor()
    await open()
    await page.getByText('Live').waitFor()
    await page.locator('#banner').waitFor({ state: 'hidden' })
    shop.database.collection().put('after', {})
    await page.getByRole('link', { name: 'Documents' }).click()
    await page.getByRole('link', { name: 'after' }).waitFor()
  })

  it('asks for the new address when the program is back with another token', async () => {
    const shop = await peers.make('shop')
    const [port] = await freePorts(1)
    const tokenFile = join(shop.directory, '..', 'token')
    writeFileSync(tokenFile, 'quite-another-token\n', { mode: 0o600 })
    const page = await browser.open(await shop.open({ port }), { expect: [...gone, /401/] })
    await page.getByText('Live').waitFor()
    await shop.process.stop()
    const url = await shop.open({ port, more: ['--web-token-file', tokenFile] })
    await page.getByText('Signed out').waitFor()
    await page.getByText('Open the address that it printed when it started').waitFor()
    await page.goto(url)
    await page.getByText('Live').waitFor()
  })
})
