import { expect } from 'chai'
import { useChromium } from '../../support/chromium.mjs'
import { listenerOf, people, useDevices } from './devices.mjs'
import { expectConnected, expectQuantity, item, neighbour, openAll } from './pages.mjs'

/** A picture of one red pixel. */
const redPixel = {
  name: 'red.png',
  mimeType: 'image/png',
  buffer: Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8DwHwAFAAH/iZk9HQAAAABJRU5ErkJggg==', 'base64')
}

describe('the inventory on three devices', () => {
  const browser = useChromium()
  const devices = useDevices()

  async function connected() {
    const { urls } = await devices.three('--connected')
    const pages = await openAll(browser, urls)
    await Promise.all([expectConnected(pages.bob, 'alice'), expectConnected(pages.carol, 'alice')])
    return pages
  }
  const onAll = async (pages, check) => await Promise.all(people.map(async (person) => await check(pages[person], person)))

  it('shows on the other two what is edited on one: quantity, name, picture, added, removed and restored', async () => {
    const pages = await connected()
    const { alice, bob, carol } = pages

    await onAll(pages, (page) => expectQuantity(page, 'Apples', 10))
    await bob.getByRole('button', { name: 'Add one of Apples' }).click()
    await onAll(pages, (page) => expectQuantity(page, 'Apples', 11))
    await carol.getByRole('button', { name: 'Take one of Apples' }).click({ clickCount: 3, delay: 5 })
    await onAll(pages, (page) => expectQuantity(page, 'Apples', 8))

    await carol.getByRole('button', { name: 'Edit Pears' }).click()
    await carol.getByRole('dialog').getByLabel('Name').fill('Williams pears')
    await carol.getByRole('dialog').getByLabel('Quantity').fill('7')
    await carol.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
    await onAll(pages, (page) => expectQuantity(page, 'Williams pears', 7))
    await onAll(pages, (page) => item(page, 'Pears').waitFor({ state: 'detached' }))

    await alice.getByRole('button', { name: 'Add item' }).click()
    await alice.getByRole('dialog').getByLabel('Name').fill('Plums')
    await alice.getByRole('dialog').getByLabel('Quantity').fill('30')
    await alice.getByRole('dialog').getByLabel('Picture').setInputFiles(redPixel)
    await alice.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await onAll(pages, (page) => expectQuantity(page, 'Plums', 30))
    // The bytes of the picture, not only its name, are on each device.
    await onAll(pages, async (page) => {
      await item(page, 'Plums').locator('img[src]').waitFor()
      await page.waitForFunction(() => document.querySelector('li[data-name=Plums] img')?.naturalWidth === 1)
    })

    const before = await item(bob, 'Milk').locator('img').getAttribute('src')
    const [chooser] = await Promise.all([
      bob.waitForEvent('filechooser'),
      bob.getByRole('button', { name: 'Change the picture of Milk' }).click()
    ])
    await chooser.setFiles(redPixel)
    await onAll(pages, (page) =>
      page.waitForFunction((old) => document.querySelector('li[data-name=Milk] img')?.getAttribute('src') !== old, before)
    )

    await bob.getByRole('button', { name: 'Edit Grapes' }).click()
    await bob.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await onAll(pages, (page) => item(page, 'Grapes').waitFor({ state: 'detached' }))
    await bob.getByRole('button', { name: 'Undo' }).click()
    await onAll(pages, (page) => expectQuantity(page, 'Grapes', 18))
  })

  it('resolves what two edited while they were offline, item by item, and shows both versions and the decision on every page', async () => {
    const pages = await connected()
    const { alice, bob, carol } = pages
    for (const page of [bob, carol]) {
      await page.getByRole('button', { name: 'Work offline' }).click()
      await page.getByText('Offline; edits wait here').waitFor()
    }

    // The same item on both sides, one that each changes alone, and one that one removes while the other changes it.
    await bob.getByRole('button', { name: 'Take one of Apples' }).click({ clickCount: 3, delay: 5 })
    await expectQuantity(bob, 'Apples', 7)
    await carol.getByRole('button', { name: 'Add one of Apples' }).click({ clickCount: 5, delay: 5 })
    await expectQuantity(carol, 'Apples', 15)
    await bob.getByRole('button', { name: 'Add one of Pears' }).click()
    await carol.getByRole('button', { name: 'Take one of Oranges' }).click()
    await bob.getByRole('button', { name: 'Edit Milk' }).click()
    await bob.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
    await item(bob, 'Milk').waitFor({ state: 'detached' })
    await carol.getByRole('button', { name: 'Take one of Milk' }).click()
    await expectQuantity(carol, 'Milk', 35)
    await neighbour(bob, 'alice')
      .getByText(/1 edit to send/)
      .waitFor()
    await expectQuantity(alice, 'Apples', 10)

    await bob.getByRole('button', { name: 'Go online' }).click()
    await expectQuantity(alice, 'Apples', 7)
    await carol.getByRole('button', { name: 'Go online' }).click()

    for (const [name, quantity] of [
      ['Apples', 12],
      ['Pears', 43],
      ['Oranges', 109],
      ['Milk', 35]
    ])
      await onAll(pages, (page) => expectQuantity(page, name, quantity))

    // Carol came last, so her device decided; everybody sees what.
    await onAll(pages, async (page) => {
      const conflict = page.locator('li.conflict')
      await conflict.waitFor()
      expect(await conflict.count()).to.equal(1)
      await conflict.getByText(`decided by ${listenerOf('carol')}`).waitFor({ state: 'attached' })
      const rows = await conflict
        .locator('li.decision')
        .evaluateAll((found) =>
          found.map((row) =>
            ['here', 'there', 'result']
              .map((side) => row.querySelector(`[data-side=${side}]`).textContent)
              .concat(row.querySelector('small').textContent)
          )
        )
      const [here, there] = [listenerOf('carol'), listenerOf('alice')]
      expect(rows).to.have.deep.members([
        [`${here}:Apples × 15`, `${there}:Apples × 7`, 'Apples × 12', 'both changed it: the changes add up'],
        [`${here}:Pears × 42`, `${there}:Pears × 43`, 'Pears × 43', `only ${there} had changed it`],
        [`${here}:Oranges × 109`, `${there}:Oranges × 110`, 'Oranges × 109', `only ${here} had changed it`],
        [
          `${here}:Milk × 35`,
          `${there}:Milk, removed`,
          'Milk × 35',
          'both changed it: the changes add up; one removed it, but the other changed it, so it stays'
        ]
      ])
    })
  })

  it('finds items by a part of their name', async () => {
    const { alice } = await connected()
    await alice.getByLabel('Find an item').fill('AN')
    await item(alice, 'Apples').waitFor({ state: 'detached' })
    expect(await alice.locator('li.item .name').allTextContents()).to.deep.equal(['Bananas', 'Oranges'])
    await alice.getByLabel('Find an item').fill('xyz')
    await alice.getByText('Nothing is called that.').waitFor()
    await alice.getByLabel('Find an item').fill('')
    await item(alice, 'Apples').waitFor()
  })

  it('shows everything from others as text', async () => {
    const pages = await connected()
    const name = '<img src=x onerror="document.title=1"><b>bold</b>'
    await pages.alice.getByRole('button', { name: 'Add item' }).click()
    await pages.alice.getByRole('dialog').getByLabel('Name').fill(name)
    await pages.alice.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click()
    await onAll(pages, async (page) => {
      await page.getByText(name, { exact: true }).waitFor()
      expect(await page.locator('#list b').count()).to.equal(0)
      expect(await page.title()).to.match(/Inventory on/)
    })
  })

  it('works on a telephone, in the dark and by keyboard alone', async () => {
    const { urls } = await devices.three('--connected')
    const page = await browser.open(urls.carol, { viewport: { width: 400, height: 800 }, colorScheme: 'dark', reducedMotion: 'reduce' })
    const narrow = async () => await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)
    for (const tab of ['Listener', 'Nearby', 'Conflicts', 'List']) {
      await page.getByRole('button', { name: tab, exact: true }).click()
      await page.getByRole('heading', { name: tab }).waitFor()
      expect(await page.locator('section.panel:visible').count(), tab).to.equal(1)
      expect(await narrow(), `${tab} is no wider than the screen`).to.equal(true)
    }
    expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).to.equal('rgb(22, 26, 23)')
    await page.getByRole('button', { name: 'Add one of Apples' }).focus()
    await page.keyboard.press('Enter')
    await expectQuantity(page, 'Apples', 11)
    // What comes from elsewhere leaves the focus where it is.
    expect(await page.evaluate(() => document.activeElement?.getAttribute('aria-label'))).to.equal('Add one of Apples')
    await page.getByRole('button', { name: 'Edit Apples' }).focus()
    await page.keyboard.press('Enter')
    await page.getByRole('dialog').getByLabel('Name').waitFor()
    expect(await narrow()).to.equal(true)
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'detached' })
  })
})
