// The document browser: lists, bodies, pictures, and what is changed meanwhile.
import { expect } from 'chai'
import { useChromium } from '../../support/chromium.mjs'
import { picture, textOf, usePeers } from './peers.mjs'

describe('the page of sync, the documents', () => {
  const browser = useChromium()
  const peers = usePeers()

  it('lists collections and documents page by page, and shows bodies, pictures and changes', async () => {
    const shop = await peers.make('shop')
    const items = shop.database.collection()
    const orders = shop.database.collection('orders', 'shop', { create: true })
    const blob = await shop.database.blobs.saveBlob(picture, 'image/png')
    const manual = await shop.database.blobs.saveBlob(Buffer.from('%PDF-1.4'), 'application/pdf')
    for (let n = 0; n < 130; n++) items.put(`item:${String(n).padStart(3, '0')}`, { type: 'item', n })
    items.put('item:apples', { type: 'item', name: 'Apples', quantity: 7, ripe: true, tags: ['red', null], picture: blob, manual })
    orders.put('order:1', { total: 12.5 })

    const page = await browser.open(await shop.open())
    await page.getByRole('link', { name: 'Documents' }).click()
    const list = page.locator('.browser-list')
    const shown = page.locator('.browser-document')
    await list.getByText('50 documents shown').waitFor()
    await list.getByRole('button', { name: 'More' }).click()
    await list.getByText('100 documents shown').waitFor()
    await list.getByRole('button', { name: 'More' }).click()
    await list.getByText('131 documents shown').waitFor()
    expect(await list.getByRole('button', { name: 'More' }).count()).to.equal(0)

    await list.getByLabel('Start at').fill('item:ap')
    await list.getByText('1 document shown').waitFor()
    await list.getByRole('link', { name: 'item:apples' }).click()
    await shown.getByRole('heading', { name: 'item:apples' }).waitFor()
    const body = JSON.parse(await textOf(shown.locator('pre.json')))
    expect(body).to.deep.include({ type: 'item', name: 'Apples', quantity: 7, ripe: true, tags: ['red', null] })
    const image = shown.locator('figure img')
    await image.waitFor()
    await page.waitForFunction(() => document.querySelector('figure img')?.naturalWidth === 8)
    expect(await shown.getByRole('link', { name: 'manual' }).getAttribute('href')).to.match(/^\/api\/blob\?/)

    // A change made by another program shows by itself.
    items.put('item:apples', { ...items.get('item:apples').body, quantity: 6 }, { parent: items.get('item:apples').revId })
    await shown.locator('.json-number').getByText('6', { exact: true }).waitFor()

    await list.getByRole('link', { name: /shop\.orders/ }).click()
    await list.getByRole('link', { name: 'order:1' }).click()
    await shown.locator('.json-number').getByText('12.5').waitFor()
    // The address leads back to the document.
    await page.reload()
    await shown.getByRole('heading', { name: 'order:1' }).waitFor()
  })

  it('takes ids, bodies and file names for text', async () => {
    const hostile = `<img src=x onerror="document.title='taken'">`
    const shop = await peers.make('shop')
    const svg = await shop.database.blobs.saveBlob(
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'),
      'image/svg+xml'
    )
    shop.database.collection().put(hostile, { [hostile]: hostile, '</code><script>': 1, picture: svg })
    const page = await browser.open(await shop.open())
    let dialogs = 0
    page.on('dialog', (dialog) => {
      dialogs++
      void dialog.dismiss()
    })
    await page.getByRole('link', { name: 'Documents' }).click()
    await page.locator('.browser-list').getByRole('link', { name: hostile }).click()
    await page.locator('.browser-document').getByRole('heading', { name: hostile }).waitFor()
    expect(Object.keys(JSON.parse(await textOf(page.locator('pre.json'))))).to.deep.equal([hostile, '</code><script>', 'picture'])
    // A drawing may hold scripts: it is offered to be saved, not shown.
    expect(await page.locator('figure').count()).to.equal(0)
    expect(await page.locator('img[src="x"], main script').count()).to.equal(0)
    expect(await page.title()).to.not.equal('taken')
    expect(dialogs).to.equal(0)
  })
})
