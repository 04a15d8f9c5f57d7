// Makes docs/images/inventory-app.png: node tools/inventory-picture.mjs [FILE]. Starts the example's three devices, works with them as people
// would, and takes a picture of two of their pages beside each other. Needs a built checkout and Debian's Chromium; uses loopback only.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { startChromium } from '../tests/support/chromium.mjs'
import { main } from './lib/main.mjs'
import { root } from './lib/run.mjs'

const program = join(root, 'examples', 'inventory', 'dist', 'main.js')
const MOST_BYTES = 200_000

/** Starts the devices; gives back the addresses of their pages. */
async function start(directory) {
  const args = [program, '--dir', directory, '--group', `inventory-picture-${process.pid}`, '--connected', '--no-open']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  await new Promise((resolve, reject) => {
    child.stdout.on('data', (data) => {
      text += data
      if (text.includes('Ctrl-C')) resolve()
    })
    child.once('exit', (code) => reject(new Error(`the devices ended with exit code ${code}`)))
  })
  return { child, urls: [...text.matchAll(/http:\S+/g)].map(([url]) => url) }
}

async function press(page, name, times = 1) {
  for (let count = 0; count < times; count += 1) await page.getByRole('button', { name }).click()
}

/** Bob and Carol edit while they are offline, and come back. */
async function edit(bob, carol) {
  for (const page of [bob, carol]) {
    await page.locator('li.neighbour[data-state=connected]').waitFor({ state: 'attached' })
    await press(page, 'Work offline')
    await page.getByText('Offline; edits wait here').waitFor()
  }
  await press(bob, 'Take one of Apples', 3)
  await press(carol, 'Add one of Apples', 5)
  await press(carol, 'Take one of Milk', 2)
  await press(bob, 'Edit Pears')
  await bob.getByRole('dialog').getByLabel('Name').fill('Williams pears')
  await press(bob, 'Save')
  await press(bob, 'Go online')
  await bob.getByText('In sync with 1 peer').waitFor()
  await press(carol, 'Go online')
  await bob.locator('li.conflict').waitFor({ state: 'attached' })
  await carol.locator('li.conflict').waitFor({ state: 'attached' })
}

async function take(browser, [, bobUrl, carolUrl]) {
  const open = async (url, options) =>
    await (await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', reducedMotion: 'reduce', ...options }))
      .newPage()
      .then(async (page) => {
        await page.goto(url)
        return page
      })
  const bob = await open(bobUrl, { viewport: { width: 960, height: 700 } })
  const carol = await open(carolUrl, { viewport: { width: 400, height: 700 }, colorScheme: 'dark' })
  await edit(bob, carol)
  await carol.getByRole('button', { name: 'Conflicts', exact: true }).click()
  const wide = await bob.screenshot()
  const narrow = await carol.screenshot()
  const both = await open('about:blank', { viewport: { width: 1400, height: 740 } })
  const image = (bytes) => `<img src="data:image/png;base64,${bytes.toString('base64')}">`
  const style =
    'body{margin:0;padding:20px 0;display:flex;gap:20px;justify-content:center;background:#d9d5c8}img{display:block;border-radius:12px}'
  await both.setContent(`<style>${style}</style>${image(wide)}${image(narrow)}`)
  return await both.screenshot()
}

await main(async () => {
  const file = process.argv[2] ?? join(root, 'docs', 'images', 'inventory-app.png')
  const directory = mkdtempSync(join(tmpdir(), 'kithmesh-picture-'))
  const browser = await startChromium()
  const { child, urls } = await start(directory)
  try {
    const picture = await take(browser, urls)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, picture)
  } finally {
    await browser.close()
    child.kill('SIGINT')
    await once(child, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
  const { size } = statSync(file)
  console.log(`${file}: ${size} bytes`)
  if (size > MOST_BYTES) throw new Error(`the picture has more than ${MOST_BYTES} bytes`)
})
