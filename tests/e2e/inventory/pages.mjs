// What a person does on a page of the inventory.
import { expect } from 'chai'
import { listenerOf, people } from './devices.mjs'

export async function logIn(page, user, password = 'password') {
  await page.getByLabel('Name').fill(user)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
}

/** The pages of three devices, with everybody logged in; `devices` is of `useDevices`, `browser` of `useChromium`. */
export async function threeLoggedIn(browser, devices) {
  const { urls } = await devices.three()
  const pages = await openAll(browser, urls)
  await Promise.all(people.map(async (person) => await logIn(pages[person], person)))
  return pages
}

const tlsLabels = { off: 'No TLS', anonymous: 'Anonymous certificate', identity: 'Given identity' }
const modeLabels = {
  any: 'Do not check',
  'self-signed': 'Any self-signed certificate',
  ca: 'By an authority',
  pinned: 'Pinned certificate',
  plain: 'No TLS'
}

const listener = (page) => page.locator('#listener')
export const item = (page, name) => page.locator(`li.item[data-name=${JSON.stringify(name)}]`)
export const neighbour = (page, person) => page.locator(`li.neighbour[data-name=${JSON.stringify(listenerOf(person))}]`)

export async function startListener(page, tls) {
  const settings = listener(page).locator('summary')
  if (
    !(await listener(page)
      .locator('details')
      .evaluate((details) => details.open))
  )
    await settings.click()
  await listener(page).getByRole('radio', { name: tlsLabels[tls] }).check()
  const button = listener(page).getByRole('button', { name: 'Start listener' })
  if (await button.isVisible()) await button.click()
  await listener(page).getByText('running', { exact: true }).waitFor()
}

export async function expectConnections(page, count) {
  await listener(page)
    .getByText(new RegExp(`^${count} connections?, \\d+ active$`))
    .waitFor()
}

/** Fills in the dialog behind a neighbour's button. `pin` and `authority` are files for Playwright. */
export async function connect(page, person, { mode, user, password, pin, authority }) {
  await neighbour(page, person)
    .getByRole('button', { name: /^Connect/ })
    .click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('radio', { name: modeLabels[mode], exact: false }).first().check()
  if (user !== undefined) await dialog.getByLabel('As', { exact: true }).fill(user)
  if (password !== undefined) await dialog.getByLabel('Password', { exact: true }).fill(password)
  if (pin !== undefined) await dialog.getByLabel('Certificate', { exact: true }).setInputFiles(pin)
  if (authority !== undefined) await dialog.getByLabel('Further authority').setInputFiles(authority)
  await dialog.getByRole('button', { name: 'Connect' }).click()
  await dialog.waitFor({ state: 'detached' })
}

/** The row of a listener in a state; `mode` and `user` tell this connection from the one before it. */
const rowIn = (page, person, state, { mode, user } = {}) => {
  const wanted = Object.entries({ name: listenerOf(person), state, mode, user }).filter(([, value]) => value !== undefined)
  return page.locator(`li.neighbour${wanted.map(([name, value]) => `[data-${name}=${JSON.stringify(value)}]`).join('')}`)
}

export async function expectConnected(page, person, which) {
  await rowIn(page, person, 'connected', which).waitFor()
}

/** The connection was given up; the page says why. */
export async function expectRefused(page, person, which, code, words) {
  const row = rowIn(page, person, 'disconnected', which)
  await row.waitFor()
  const problem = row.locator('.problem')
  expect(await problem.getAttribute('data-code')).to.equal(code)
  expect(await problem.textContent()).to.match(words)
}

export async function disconnect(page, person) {
  await neighbour(page, person).getByRole('button', { name: 'Disconnect' }).click()
}

export async function expectQuantity(page, name, quantity) {
  await item(page, name)
    .locator('output')
    .filter({ hasText: new RegExp(`^${quantity}$`) })
    .waitFor()
}

/** Opens the page of everybody. */
export async function openAll(browser, urls, options) {
  const pages = await Promise.all(people.map(async (person) => await browser.open(urls[person], options)))
  return Object.fromEntries(people.map((person, index) => [person, pages[index]]))
}

/** The listener's certificate as a file, got from its page. */
export async function downloadCertificate(page) {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Download the certificate').click()])
  return await download.path()
}
