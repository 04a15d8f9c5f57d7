// `npm start`: the pages of the warehouse and the shop.
import { expect } from 'chai'
import { fileURLToPath } from 'node:url'
import { useChromium } from '../../support/chromium.mjs'
import { cleanUp, start, temporaryDirectory } from '../support/kithmesh.mjs'
import { textOf } from './peers.mjs'

const program = fileURLToPath(new URL('../../../examples/warehouse-and-shop/dist/main.js', import.meta.url))

describe('the pages of the demo', () => {
  const browser = useChromium()
  afterEach(cleanUp)

  it('show both peers with one inventory that is edited all the time', async () => {
    const demo = start(['--dir', temporaryDirectory()], { file: program })
    const address = (name) =>
      demo.until(({ err }) => new RegExp(`the page of the ${name}: (http://\\S+)`).exec(err)?.[1], `the page of the ${name}`)
    const [warehouse, shop] = [await browser.open(await address('warehouse')), await browser.open(await address('shop'))]
    for (const [page, other] of [
      [warehouse, 'shop'],
      [shop, 'warehouse']
    ]) {
      const row = page.locator('.devices tbody tr').filter({ hasText: other })
      await row.getByText(/In step|Syncing/).waitFor()
      await page
        .locator('.tile')
        .filter({ hasText: 'Documents' })
        .getByText(/↓ [1-9][\d,]*/)
        .waitFor()
      await page.getByRole('link', { name: 'Documents' }).click()
      await page.getByRole('link', { name: 'item:apples' }).click()
      await page.waitForFunction(() => document.querySelector('figure img')?.naturalWidth > 0)
      expect(JSON.parse(await textOf(page.locator('pre.json')))).to.include({ name: 'Apples' })
    }
    await warehouse.context().close()
    await shop.context().close()
    expect(await demo.stop()).to.equal(0)
    expect(demo.out).to.match(/^Stopped; the databases are in /m)
  })
})
