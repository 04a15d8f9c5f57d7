// That people can use the page: by keyboard, on a narrow screen, in light and dark, with a screen reader.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { expect } from 'chai'
import { useChromium } from '../../support/chromium.mjs'
import { picture, usePeers } from './peers.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** What breaks the rules of WCAG 2.2 A and AA as far as a program can tell, one line each. */
async function violations(page) {
  await page.evaluate(axe)
  const found = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
  )
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${help}: ${html}\n${failureSummary}`)
  )
}

describe('the page of sync, its use', () => {
  const browser = useChromium()
  const peers = usePeers()

  async function pair() {
    const [shop, till] = [await peers.make('shop'), await peers.make('till')]
    const blob = await shop.database.blobs.saveBlob(picture, 'image/png')
    shop.database.collection().put('item:apples', { type: 'item', name: 'Apples', picture: blob })
    const url = await shop.open()
    till.begin()
    return { url, shop, till }
  }

  const settled = (page, till) => page.locator('.devices tbody tr').filter({ hasText: till.name }).getByText('In step').waitFor()

  it('is possible by keyboard alone', async () => {
    const { url, shop, till } = await pair()
    const page = await browser.open(url, { reducedMotion: 'reduce' })
    await settled(page, till)
    await page.keyboard.press('Tab')
    expect(await page.evaluate(() => document.activeElement.textContent)).to.equal('Skip to the content')
    await page.keyboard.press('Enter')
    await page.keyboard.press('Tab')
    // The graph is one stop; arrow keys go from device to device.
    const label = () => page.evaluate(() => document.activeElement.getAttribute('aria-label'))
    expect(await label()).to.include(shop.name)
    for (const key of ['ArrowRight', 'ArrowLeft', 'ArrowUp', 'ArrowDown']) {
      await page.keyboard.press(key)
      if ((await label()).includes(till.name)) break
    }
    expect(await label()).to.match(new RegExp(`^${till.name}, (In step|Syncing), direct `))
    await page.keyboard.press('Enter')
    await page.locator('.detail-card').getByRole('heading', { name: till.name }).waitFor()
    expect(await label(), 'the focus stays').to.include(till.name)
  })

  it('is possible on a screen of 400 pixels', async () => {
    const { url, till } = await pair()
    const page = await browser.open(url, { viewport: { width: 400, height: 800 } })
    await settled(page, till)
    const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(await overflow()).to.equal(0)
    await page.getByRole('link', { name: 'Documents' }).click()
    await page.getByRole('link', { name: 'item:apples' }).click()
    await page.locator('figure img').waitFor()
    expect(await overflow()).to.equal(0)
    await page.getByRole('link', { name: '← All documents' }).click()
    await page.getByRole('link', { name: 'item:apples' }).waitFor()
    await page.getByRole('link', { name: 'Activity' }).click()
    expect(await overflow()).to.equal(0)
  })

  it('keeps to the rules of accessibility in light and dark, on every view', async () => {
    const { url, till } = await pair()
    for (const colorScheme of ['light', 'dark']) {
      const page = await browser.open(url, { colorScheme, reducedMotion: 'reduce' })
      await settled(page, till)
      for (const hash of ['#/', `#/device/${await till.id()}`, '#/documents/_default/item%3Aapples', '#/activity']) {
        await page.evaluate((to) => {
          location.hash = to
        }, hash)
        if (hash.includes('apples')) await page.locator('figure img').waitFor()
        expect(await violations(page), `${colorScheme} ${hash}`).to.deep.equal([])
      }
    }
  })

  it('has colours that follow the system, or what was chosen', async () => {
    const { url } = await pair()
    const page = await browser.open(url, { colorScheme: 'dark' })
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    const dark = await ground()
    await page.getByRole('button', { name: 'Colours: as the system' }).click()
    expect(await ground()).to.not.equal(dark)
    await page.reload()
    expect(await ground()).to.not.equal(dark)
    await page.getByRole('button', { name: 'Colours: light' }).click()
    expect(await ground()).to.equal(dark)
  })
})
