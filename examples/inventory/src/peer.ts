import { mkdir, readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { UserList } from './model/users.ts'
import { tlsModes, validationModes } from './model/modes.ts'
import { App } from './peer/app.ts'
import { Certificates } from './peer/certificates.ts'
import { altNamesOf, hostNameOf } from './peer/host-name.ts'
import type { Sample } from './peer/store.ts'
import { PageServer } from './server/page-server.ts'
import { readStaticFiles } from './server/static-files.ts'

const help = `One peer of the inventory, with a page of its own.

  node dist/peer.js --name till

Options
  --name NAME         of this device (default: the host's)
  --directory DIR     identity, authorities and the users' databases (default: .kithmesh/inventory/NAME)
  --page-port PORT    of the page, on 127.0.0.1 (default: any free one)
  --users FILE        who may log in, here and at the listener (default: data/userlist.json)
  --sample FILE       what a new database begins with (default: data/samplelist.json)
  --group GROUP       only listeners of the same group are found (default: kithmesh-inventory)
  --interface NAME    network interface; repeatable (default: lo, this machine only; "all" for the whole network)
  --log-in USER       log in at once, with the password on the first line of standard input
  --listen MODE       start the listener after that: ${tlsModes.join(', ')}
  --connect MODE      connect to every listener that is found, checking certificates so: ${validationModes.join(', ')}
  -h, --help
`

const file = (name: string): string => fileURLToPath(new URL(`../data/${name}`, import.meta.url))

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      name: { type: 'string', default: hostname() },
      directory: { type: 'string' },
      'page-port': { type: 'string', default: '0' },
      users: { type: 'string', default: file('userlist.json') },
      sample: { type: 'string', default: file('samplelist.json') },
      group: { type: 'string', default: 'kithmesh-inventory' },
      interface: { type: 'string', multiple: true, default: ['lo'] },
      'log-in': { type: 'string' },
      listen: { type: 'string' },
      connect: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const stopping = stopSignal()
  const port = Number(values['page-port'])
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new TypeError('--page-port takes a port')
  const tls = chosen('--listen', values.listen, tlsModes)
  const mode = chosen('--connect', values.connect, validationModes)
  const directory = resolve(values.directory ?? `.kithmesh/inventory/${values.name}`)
  await mkdir(directory, { recursive: true })

  const hostName = hostNameOf(values.name)
  const app = new App({
    directory,
    deviceName: values.name,
    hostName,
    group: values.group,
    interfaces: values.interface.includes('all') ? undefined : values.interface,
    users: new UserList(await readFile(values.users, 'utf8')),
    sample: JSON.parse(await readFile(values.sample, 'utf8')) as Sample,
    certificates: await Certificates.open(directory, values.name, altNamesOf(values.name))
  })
  const server = new PageServer({
    app,
    port,
    files: await readStaticFiles(fileURLToPath(new URL('../page', import.meta.url)), fileURLToPath(new URL('./page', import.meta.url)))
  })
  await server.start()
  try {
    const user = values['log-in']
    if (user !== undefined) {
      await app.logIn(user, await firstLine())
      if (tls !== undefined) await app.session.startListener(tls)
      if (mode !== undefined) app.session.connectToAll(mode)
    }
    process.stdout.write(`${values.name}: ${server.url}\n`)
    await stopping
  } finally {
    await app.logOut()
    await server.stop()
  }
}

/** Resolves when the program is to end: a signal, or the program that started it is gone. */
async function stopSignal(): Promise<void> {
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    process.once('disconnect', () => resolve())
    // It may have gone before this program had loaded.
    if (process.send !== undefined && !process.connected) resolve()
  })
}

async function firstLine(): Promise<string> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text.split(/\r?\n/, 1)[0] ?? ''
}

function chosen<T extends string>(option: string, value: string | undefined, values: readonly T[]): T | undefined {
  const found = values.find((candidate) => candidate === value)
  if (value !== undefined && found === undefined) throw new TypeError(`${option} takes one of ${values.join(', ')}`)
  return found
}

main()
  .catch((error: unknown) => {
    const { message, hint } = error as { message?: string; hint?: string }
    process.stderr.write(`${message ?? String(error)}\n${hint === undefined || hint === '' ? '' : `${hint}\n`}`)
    process.exitCode = 1
  })
  .finally(() => {
    if (process.connected) process.disconnect()
  })
