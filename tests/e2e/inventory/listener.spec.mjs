import { expect } from 'chai'
import { useChromium } from '../../support/chromium.mjs'
import { people, useDevices } from './devices.mjs'
import {
  connect,
  disconnect,
  expectConnected,
  expectConnections,
  expectQuantity,
  expectRefused,
  logIn,
  neighbour,
  openAll,
  startListener,
  threeLoggedIn
} from './pages.mjs'

describe('the listener of the inventory', () => {
  const browser = useChromium()
  const devices = useDevices()

  it('is found when it is started, counts who connects, and brings them back when it is started again', async () => {
    const { alice, bob, carol } = await threeLoggedIn(browser, devices)
    await startListener(alice, 'anonymous')
    await expectConnections(alice, 0)
    expect(await alice.locator('#listener .urls code').allTextContents()).to.have.length(1)
    expect(await alice.locator('#listener .urls code').textContent()).to.match(/^wss:\/\/127\.0\.0\.1:\d+\/userdb$/)

    await connect(bob, 'alice', { mode: 'self-signed' })
    await expectConnected(bob, 'alice')
    await expectConnections(alice, 1)
    await connect(carol, 'alice', { mode: 'any' })
    await expectConnections(alice, 2)
    expect((await alice.locator('#listener .clients li').allTextContents()).map((text) => text.split(' ')[0])).to.have.members([
      'bob',
      'carol'
    ])

    // Stopping warns about those who are connected.
    await alice.getByRole('button', { name: 'Stop listener' }).click()
    await alice.getByText('2 peers are connected.').waitFor()
    await alice.getByRole('dialog').getByRole('button', { name: 'Stop listener' }).click()
    await alice.locator('#listener').getByText('stopped', { exact: true }).waitFor()
    for (const page of [bob, carol]) await neighbour(page, 'alice').getByText('waiting').waitFor()
    expect(await alice.locator('#listener .urls li').count()).to.equal(0)

    await bob.getByRole('button', { name: 'Add one of Apples' }).click()
    await startListener(alice, 'anonymous')
    await expectConnections(alice, 2)
    await expectQuantity(carol, 'Apples', 11)

    await disconnect(carol, 'alice')
    await expectConnections(alice, 1)
    await connect(carol, 'alice', { mode: 'self-signed' })
    await expectConnections(alice, 2)
  })

  it('refuses who does not know the password, here and there', async () => {
    const { urls } = await devices.three()
    const pages = await openAll(browser, urls, { expect: [/^console: .*400/] })
    await logIn(pages.alice, 'alice', 'wrong')
    await pages.alice.getByText('The name or the password is wrong').waitFor()
    await logIn(pages.alice, 'mallory', 'password')
    await pages.alice.getByText('The name or the password is wrong').waitFor()
    await logIn(pages.alice, 'alice')
    await logIn(pages.bob, 'bob')
    await startListener(pages.alice, 'identity')

    await connect(pages.bob, 'alice', { mode: 'ca', user: 'bob', password: 'wrong' })
    await expectRefused(pages.bob, 'alice', { user: 'bob' }, 'ERR_REPL_UNAUTHORIZED', /does not accept the name or the password/)
    await connect(pages.bob, 'alice', { mode: 'ca', user: 'mallory', password: 'password' })
    await expectRefused(pages.bob, 'alice', { user: 'mallory' }, 'ERR_REPL_UNAUTHORIZED', /does not accept the name or the password/)
    await expectConnections(pages.alice, 0)
    await pages.bob.getByRole('button', { name: 'Add one of Apples' }).click()
    await expectQuantity(pages.bob, 'Apples', 11)

    await connect(pages.bob, 'alice', { mode: 'ca', user: 'carol', password: 'password' })
    await expectConnected(pages.bob, 'alice')
    await expectQuantity(pages.alice, 'Apples', 11)
    expect(await pages.alice.locator('#listener .clients li').textContent()).to.match(/^carol from /)
  })

  it('goes with the one who is logged in: another user has another list', async () => {
    const { alice, bob } = await threeLoggedIn(browser, devices)
    await startListener(alice, 'anonymous')
    await neighbour(bob, 'alice').waitFor()
    await alice.getByRole('button', { name: 'Add one of Apples' }).click()
    await expectQuantity(alice, 'Apples', 11)
    await alice.getByRole('button', { name: 'Log out' }).click()
    await neighbour(bob, 'alice').waitFor({ state: 'detached' })
    await logIn(alice, 'carol')
    await expectQuantity(alice, 'Apples', 10)
    await alice.getByRole('button', { name: 'Log out' }).click()
    await logIn(alice, 'alice')
    await expectQuantity(alice, 'Apples', 11)
  })

  it('goes on after the next login, also when the devices were started again', async () => {
    const first = await devices.three()
    const before = await openAll(browser, first.urls, { expect: [/^console: .*ERR_/, /^request: .*api\/events/] })
    await Promise.all(people.map(async (person) => await logIn(before[person], person)))
    await startListener(before.alice, 'identity')
    await connect(before.bob, 'alice', { mode: 'ca' })
    await connect(before.carol, 'alice', { mode: 'ca', user: 'bob', password: 'password' })
    await expectConnections(before.alice, 2)
    first.child.kill('SIGINT')
    await first.ended

    const { urls } = await devices.three()
    const { alice, bob, carol } = await openAll(browser, urls)
    await Promise.all([logIn(alice, 'alice'), logIn(bob, 'bob'), logIn(carol, 'carol')])
    await expectConnected(bob, 'alice', { mode: 'ca' })
    await expectConnections(alice, 1)
    // The password of somebody else was not kept, so that connection waits to be made by hand.
    await neighbour(carol, 'alice').getByRole('button', { name: 'Connect' }).waitFor()

    await disconnect(bob, 'alice')
    await expectConnections(alice, 0)
    await alice.getByRole('button', { name: 'Stop listener' }).click()
    await alice.getByRole('button', { name: 'Log out' }).click()
    await logIn(alice, 'alice')
    await alice.locator('#listener').getByText('stopped', { exact: true }).waitFor()
  })

  it('is reached by its address too', async () => {
    const { alice, bob } = await threeLoggedIn(browser, devices)
    await startListener(alice, 'identity')
    const url = await alice.locator('#listener .urls code').textContent()
    await bob.getByRole('button', { name: 'Connect to an address…' }).click()
    const dialog = bob.getByRole('dialog')
    await dialog.getByLabel('Address').fill(url)
    await dialog.getByRole('radio', { name: 'By an authority' }).check()
    await dialog.getByRole('button', { name: 'Connect' }).click()
    const row = bob.locator(`li.neighbour[data-name=${JSON.stringify(url)}]`)
    await row.getByText('connected', { exact: true }).waitFor()
    await expectConnections(alice, 1)
    await row.getByRole('button', { name: 'Forget' }).click()
    await row.waitFor({ state: 'detached' })
    await expectConnections(alice, 0)
  })
})
