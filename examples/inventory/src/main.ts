import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { prepareDevices } from './starter/devices.ts'
import { openInBrowser } from './starter/open-in-browser.ts'
import { PeerProcess } from './starter/peer-process.ts'

const help = `Three devices of the inventory on this machine, each with a page of its own; open the addresses that are printed. Ends with Ctrl-C.

  npm run inventory                  log in as alice, bob or carol, with the password "password"
  npm run inventory -- --connected   logged in and connected already: alice listens, bob and carol connect to her

Options
  --connected        log everybody in, start the first one's listener, and connect the others to it
  --dir DIR          where everything is kept (default: .kithmesh/inventory)
  --interface NAME   network interface to use (default: lo, this machine only; "all" for the whole network); repeatable
  --group GROUP      only devices of one group find each other (default: kithmesh-inventory)
  --users FILE       the user list (default: examples/inventory/data/userlist.json)
  --no-open          do not open the pages in a browser; they are opened where there is a desktop and a terminal
  -h, --help
`

const people = ['alice', 'bob', 'carol'] as const
const devices: Readonly<Record<(typeof people)[number], string>> = { alice: 'Warehouse', bob: 'Shop', carol: 'Office' }
const samplePassword = 'password'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      connected: { type: 'boolean', default: false },
      dir: { type: 'string', default: '.kithmesh/inventory' },
      interface: { type: 'string', multiple: true, default: ['lo'] },
      group: { type: 'string', default: 'kithmesh-inventory' },
      users: { type: 'string' },
      'no-open': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const root = resolve(values.dir)
  const directories = people.map((person) => join(root, devices[person].toLowerCase()))
  await Promise.all(directories.map((directory) => mkdir(directory, { recursive: true })))
  await prepareDevices(
    join(root, 'authority'),
    people.map((person, index) => ({ name: devices[person], directory: directories[index] as string }))
  )

  // Whoever reads what we print may leave before the devices do.
  process.stdout.on('error', () => {})
  const peers: PeerProcess[] = []
  const ended = new Promise<string | undefined>((resolveEnd) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolveEnd(undefined))
    for (const [index, person] of people.entries()) {
      const peer = new PeerProcess(
        [
          ...['--name', devices[person], '--directory', directories[index] as string, '--group', values.group],
          ...values.interface.flatMap((name) => ['--interface', name]),
          ...(values.users === undefined ? [] : ['--users', resolve(values.users)]),
          ...(values.connected ? ['--log-in', person, ...(index === 0 ? ['--listen', 'identity'] : ['--connect', 'ca'])] : [])
        ],
        samplePassword
      )
      peers.push(peer)
      void peer.ended.then((how) => resolveEnd(how === undefined ? undefined : `${devices[person]}: ${how}`))
    }
  })
  // Whoever ends first ends all; a page that never comes up ends with its process.
  const urls = Promise.all(peers.map(async (peer) => await peer.url))
  const started = await Promise.race([urls, ended.then(() => undefined)])
  if (started !== undefined) {
    process.stdout.write('\n')
    for (const [index, person] of people.entries())
      process.stdout.write(`  ${devices[person].padEnd(10)} for ${person.padEnd(6)} ${started[index]}\n`)
    process.stdout.write(
      `\n${values.connected ? 'Everybody is logged in.' : 'Log in with any of these names and the password "password".'} Ctrl-C ends all three.\n`
    )
    if (!values['no-open']) for (const url of started) openInBrowser(url)
  }
  const failure = await ended
  await Promise.all(peers.map(async (peer) => await peer.stop()))
  if (failure !== undefined) throw new Error(failure)
  process.stdout.write(`\nStopped; the databases are in ${root}\n`)
}

main().catch((error: unknown) => {
  const { message, hint } = error as { message?: string; hint?: string }
  process.stderr.write(`${message ?? String(error)}\n${hint === undefined || hint === '' ? '' : `${hint}\n`}`)
  process.exitCode = 1
})
