// Debian's Chromium for tests of pages: one browser for each `describe`, a profile of its own for each page opened. Whatever a page reports
// (an exception, an error on its console, a request that failed) fails its test unless it was expected; a picture of every page of a failed
// test goes to temp/. The browser resolves and reaches loopback addresses only.
import { accessSync, constants, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { root } from '../../tools/lib/run.mjs'

/** How long the browser may take to start, and a page for what it is asked. */
const START_MS = 60_000
const PATIENCE_MS = 60_000
const MAX_NOTED = 50

/** Hosts that a page may reach. */
const reachable = ['127.0.0.1', '[::1]', 'localhost']

/**
 * Where everything else goes, names and addresses alike: a port that nobody listens on. (If they were not found instead, the browser would
 * ask public name servers whether it is online at all.)
 */
const nowhere = '127.0.0.1:1'

/** The browser's program: CHROMIUM where that is set, otherwise what Debian's package `chromium` installs. */
function chromiumProgram() {
  const path = process.env.CHROMIUM ?? '/usr/bin/chromium'
  try {
    accessSync(path, constants.X_OK)
  } catch (cause) {
    throw new Error(`There is no browser at ${path}: install the Debian package chromium, or name one with CHROMIUM`, { cause })
  }
  return path
}

/** Starts the browser. The caller closes it. */
export async function startChromium() {
  return await chromium.launch({
    executablePath: chromiumProgram(),
    headless: true,
    timeout: START_MS,
    // Its sandbox needs rights that root does not get in a container; the pages are our own.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [
      `--host-resolver-rules=MAP * ${nowhere}, ${reachable.map((host) => `EXCLUDE ${host}`).join(', ')}`,
      '--no-proxy-server',
      '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
      '--disable-gpu'
    ]
  })
}

/**
 * For a `describe`: starts the browser before its tests and closes it behind them. The pages of a test are closed when it ends.
 *
 *   const browser = useChromium()
 *   it('greets', async () => {
 *     const page = await browser.open('http://127.0.0.1:8080/', { viewport: { width: 400, height: 800 } })
 *     await page.getByText('Hello').waitFor()
 *   })
 */
export function useChromium() {
  let browser
  let open = []

  before(async function () {
    this.timeout(START_MS + 5000)
    browser = await startChromium()
  })

  afterEach(async function () {
    const pages = open
    open = []
    const unexpected = pages.flatMap((one) => one.troubles.filter((text) => !one.expected.some((pattern) => pattern.test(text))))
    if (this.currentTest.state === 'failed' || unexpected.length > 0) await takePictures(pages, this.currentTest.fullTitle())
    await Promise.all(pages.map((one) => one.context.close()))
    if (unexpected.length > 0 && this.currentTest.state !== 'failed')
      this.test.error(new Error(`the page reported:\n${unexpected.slice(0, 20).join('\n')}`))
  })

  after(async () => {
    await browser?.close()
  })

  return {
    /**
     * A new profile (cookies and storage of its own) with a page, at `url` where one is given. `options` are Playwright's for a context, such
     * as `viewport`, `colorScheme`, `reducedMotion`; `expect` lists patterns of troubles that do not fail the test.
     */
    async open(url, { expect: expected = [], ...options } = {}) {
      const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'UTC', ...options })
      context.setDefaultTimeout(PATIENCE_MS)
      const one = { context, expected: [...expected], troubles: [] }
      open.push(one)
      watch(one)
      const page = await context.newPage()
      if (url !== undefined) await page.goto(String(url))
      return page
    },
    /** Lets a page of this test report what matches, from now on and before. */
    allow(page, ...patterns) {
      open.find(({ context }) => context === page.context())?.expected.push(...patterns)
    },
    /** What a page has reported so far, one line each. */
    troubles(page) {
      return [...(open.find(({ context }) => context === page.context())?.troubles ?? [])]
    }
  }
}

/** Collects what the pages of a context report as wrong. */
function watch({ context, troubles }) {
  const note = (text) => {
    if (troubles.length < MAX_NOTED) troubles.push(text)
  }
  context.on('weberror', (error) => note(`exception: ${error.error().stack ?? error.error()}`))
  context.on('console', (message) => {
    if (message.type() === 'error') note(`console: ${message.text()} (${message.location().url})`)
  })
  context.on('requestfailed', (request) => {
    const reason = request.failure()?.errorText
    // A page that is left or closed takes back what it was loading.
    if (reason !== 'net::ERR_ABORTED') note(`request: ${request.url()}: ${reason}`)
  })
  context.on('page', (page) => page.on('crash', () => note(`crash: ${page.url()}`)))
}

async function takePictures(pages, title) {
  const folder = join(root, 'temp')
  mkdirSync(folder, { recursive: true })
  const name = title.replaceAll(/[^a-zA-Z0-9]+/g, '-').slice(0, 100)
  const shown = pages.flatMap(({ context }) => context.pages())
  for (const [index, page] of shown.entries()) {
    const path = join(folder, `${name}-${index}.png`)
    try {
      await page.screenshot({ path, timeout: 15_000 })
      console.log(`      a picture of ${page.url().replace(/\?.*/, '')} is in ${path}`)
    } catch (error) {
      console.log(`      no picture of ${page.url().replace(/\?.*/, '')}: ${error.message}`)
    }
  }
}
