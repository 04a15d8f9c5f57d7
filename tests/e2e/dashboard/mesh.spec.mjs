// The graph, the table and the figures follow what the devices do.
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'
import { useChromium } from '../../support/chromium.mjs'
import { textOf, usePeers } from './peers.mjs'

describe('the page of sync, the mesh', () => {
  const browser = useChromium()
  const peers = usePeers()

  const row = (page, name) => page.locator('.devices tbody tr').filter({ hasText: name })
  const node = (page, name) => page.locator('.graph .node').filter({ hasText: name.slice(0, 16) })

  it('shows devices and routes, documents as they move, and why a device is gone', async () => {
    const [warehouse, shop, till] = await Promise.all(['warehouse', 'shop', 'till'].map((base) => peers.make(base)))
    const page = await browser.open(await warehouse.open())
    await page.getByText('No other device has been found yet').waitFor()
    shop.begin()
    till.begin()

    for (const { name } of [shop, till]) {
      await row(page, name).getByText('In step').waitFor()
      expect(await textOf(row(page, name))).to.match(/Direct\s+(127\.0\.0\.1|\[::1\]):\d+/)
      await node(page, name).waitFor()
    }
    await page.locator('.graph .edge.link.route-1').nth(1).waitFor({ state: 'attached' })
    expect(await page.locator('.graph .node').count()).to.equal(3)
    expect(await page.locator('.graph .edge.link.route-1').count()).to.equal(2)
    expect(await textOf(page.locator('.legend'))).to.include('Direct')
    await page.getByText('2 connected').waitFor()
    await eventually('both to be online by DNS-SD', async () =>
      /DNS-SD browsing: online publishing: online/.test(await textOf(page.locator('.notices')))
    )

    // An edit elsewhere appears: in the figures, along the line, and in the record.
    await page.locator('.graph .node.self').waitFor()
    const flights = page.waitForSelector('.graph .pulse', { state: 'attached' })
    shop.database.collection().put('item:apples', { type: 'item', quantity: 7 })
    await flights
    await page
      .locator('.tile')
      .filter({ hasText: 'Documents' })
      .getByText(/↓ [1-9]/)
      .waitFor()
    await page.getByRole('link', { name: 'Activity' }).click()
    await page.getByRole('link', { name: 'item:apples' }).first().waitFor()
    await page.getByRole('link', { name: 'Mesh' }).click()

    // Details by a click on the node, and what was tried.
    await node(page, shop.name).click()
    const detail = page.locator('.detail-card')
    await detail.getByRole('heading', { name: shop.name }).waitFor()
    expect(await textOf(detail)).to.include(await shop.id())
    expect(await textOf(detail)).to.match(/Direction\s+(outgoing|incoming)/)

    await till.process.kill()
    await row(page, till.name).getByText('In step').waitFor({ state: 'detached' })
    await page.getByText('1 connected').waitFor()
    const why = row(page, till.name).locator('.why')
    await why.waitFor()
    expect((await textOf(why)).length).to.be.greaterThan(10)
    await row(page, till.name).getByRole('link').click()
    await detail.locator('.problem').waitFor()
    expect(await textOf(detail.locator('.problem'))).to.match(/ERR_[A-Z_]+/)
    await page
      .locator('.graph .node.linked')
      .filter({ hasText: till.name.slice(0, 16) })
      .waitFor({ state: 'detached' })
    await page.locator('#announcements').filter({ hasText: till.name }).waitFor({ state: 'attached' })

    till.begin()
    await row(page, till.name).getByText('In step').waitFor()
    await page.getByText('2 connected').waitFor()
  })

  it('takes what devices call themselves for text', async () => {
    const hostile = '<img src=x onerror=alert(1)>'
    const shop = await peers.make('shop')
    const other = await peers.make('other', { name: hostile })
    const page = await browser.open(await shop.open())
    let dialogs = 0
    page.on('dialog', (dialog) => {
      dialogs++
      void dialog.dismiss()
    })
    other.begin()
    await row(page, hostile).getByText('In step').waitFor()
    await node(page, hostile).click()
    await page.locator('.detail-card').getByRole('heading', { name: hostile }).waitFor()
    await page.getByRole('link', { name: 'Activity' }).click()
    await page.getByRole('link', { name: `${hostile} is connected` }).waitFor()
    expect(await page.locator('img[src="x"]').count()).to.equal(0)
    expect(await page.locator('img:not([src="icon.svg"])').count()).to.equal(0)
    expect(dialogs).to.equal(0)
  })
})
