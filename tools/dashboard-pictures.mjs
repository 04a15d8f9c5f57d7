// node tools/dashboard-pictures.mjs [NAME…]: takes the pictures of the dashboard in docs/images from a real group of devices on the loopback
// interface: one that is switched off, one that does not belong, and two that edit. Needs a built checkout and Debian's chromium; looks best
// where the font Inter is installed (Debian: fonts-inter).
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Database } from '../packages/database/dist/index.js'
import { Inventory } from '../examples/warehouse-and-shop/dist/inventory.js'
import { stopAll, start } from '../tests/e2e/support/kithmesh.mjs'
import { startChromium } from '../tests/support/chromium.mjs'
import { root } from './lib/run.mjs'

const wanted = process.argv.slice(2)
const home = mkdtempSync(join(tmpdir(), 'kithmesh-pictures-'))
const folder = join(root, 'docs', 'images')
const maxBytes = 200_000
const databases = []

function keyFile(name, key) {
  const path = join(home, `${name}.key`)
  writeFileSync(path, key, { mode: 0o600 })
  return path
}

const group = 'greengrocer'
const key = keyFile('group', 'correct horse battery staple')
const wrongKey = keyFile('wrong', 'incorrect horse battery staple')

async function device(name, words = ['--group-key-file', key]) {
  const directory = join(home, name.replaceAll(' ', '-').toLowerCase())
  mkdirSync(directory)
  const database = await Database.open(directory, { watch: false })
  databases.push(database)
  const run = (...more) => start(['sync', directory, '--group', group, '--name', name, '--interface', 'lo', '--json', ...words, ...more])
  return { name, database, run, inventory: new Inventory(database) }
}

function editOne(inventory) {
  try {
    inventory.editAtRandom(Math.random)
  } catch (error) {
    // A change from elsewhere came between reading and writing; the next edit does.
    if (error.code !== 'ERR_DB_CONFLICT') throw error
  }
}

const browser = await startChromium()
try {
  const warehouse = await device('Warehouse')
  await warehouse.inventory.seed()
  const orders = warehouse.database.collection('orders', 'shop', { create: true })
  for (let n = 1; n <= 60; n++) orders.put(`order:${1000 + n}`, { item: 'item:apples', pieces: n })
  const others = await Promise.all(['Shop', 'Till 1', 'Till 2', 'Office', 'Van'].map((name) => device(name)))
  const away = await device('Old laptop')
  const stranger = await device('Stranger', ['--group-key-file', wrongKey])

  const { url } = await warehouse.run('--web', '0').event(({ event }) => event === 'web', 'the page')
  for (const each of others) each.run()
  const leaving = away.run()
  stranger.run()

  async function picture(name, { hash = '#/', width = 1280, height = 860, colorScheme = 'light', before = async () => {} } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: 'en-GB', timezoneId: 'UTC' })
    const page = await context.newPage()
    page.setDefaultTimeout(60_000)
    await page.goto(url)
    await page.evaluate((to) => {
      location.hash = to
    }, hash)
    return {
      page,
      async take() {
        await before(page)
        if (wanted.length > 0 && !wanted.includes(name)) return
        const path = join(folder, `${name}.png`)
        await page.screenshot({ path })
        const { size } = statSync(path)
        console.log(`${path}: ${size} bytes`)
        if (size > maxBytes) throw new Error(`${path} has more than ${maxBytes} bytes`)
        await context.close()
      }
    }
  }

  // All are open from the beginning, so that their curves have a minute to draw.
  const light = await picture('dashboard')
  const dark = await picture('dashboard-dark', {
    colorScheme: 'dark',
    before: (page) => page.locator('.devices').getByRole('link', { name: 'Shop', exact: true }).click()
  })
  const documents = await picture('dashboard-documents', {
    hash: '#/documents/_default/item%3Aapples',
    before: (page) => page.waitForFunction(() => document.querySelector('figure img')?.naturalWidth > 0)
  })
  const phone = await picture('dashboard-phone', { width: 400, height: 860 })

  for (const name of [...others.map((one) => one.name), 'Old laptop'])
    await light.page.locator('.devices tbody tr').filter({ hasText: name }).first().waitFor()
  await delay(5000)
  await leaving.stop()
  for (let edit = 0; edit < 130; edit++) {
    const { inventory } = others[edit % 2]
    // Now much, now little.
    const count = Math.sin(edit / 9) > 0.2 ? 1 + Math.floor(Math.random() * 3) : edit % 3 === 0 ? 1 : 0
    for (let n = 0; n < count; n++) editOne(inventory)
    await delay(400)
  }
  for (const each of [light, dark, documents, phone]) await each.take()
} finally {
  await browser.close()
  await stopAll()
  for (const database of databases) await database.close()
  rmSync(home, { recursive: true, force: true })
}
