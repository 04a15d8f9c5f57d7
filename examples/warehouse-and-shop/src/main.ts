import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openOrCreateIdentity } from '@kithmesh/identity'
import { runDemo } from './demo.ts'
import { hasBrowser, openPage } from './open-page.ts'

const help = `Two peers, "warehouse" and "shop", find each other and keep an inventory in sync.

  npm start                     watch it happen until Ctrl-C, in the terminal and on a page for each peer
  npm start -- --once           stop when both sides are equal after 20 edits a side, and verify from disk
  npm start -- --once --json    the same, ending with one line of JSON for machines

Options
  --once             run to the end instead of for ever
  --json             print one JSON line (with --once)
  --edits N          edits a side with --once (default 20)
  --dir DIR          where the two databases live (default: .kithmesh; with --once a temporary folder)
  --interface NAME   network interface to use (default: lo, this machine only); repeatable
  --no-open          do not open the peers' pages in a browser
  --timeout SECONDS  give up with --once after so long (default 60)
  -h, --help
`

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      once: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      edits: { type: 'string', default: '20' },
      dir: { type: 'string' },
      interface: { type: 'string', multiple: true, default: ['lo'] },
      timeout: { type: 'string', default: '60' },
      'no-open': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const edits = Number(values.edits)
  const timeoutMs = Number(values.timeout) * 1000
  if (!Number.isSafeInteger(edits) || edits < 0 || !(timeoutMs > 0))
    throw new TypeError('--edits takes a whole number and --timeout a number of seconds')

  const temporary = values.once && values.dir === undefined
  const root = temporary ? await mkdtemp(join(tmpdir(), 'kithmesh-')) : resolve(values.dir ?? '.kithmesh')
  try {
    const directories = { warehouse: join(root, 'warehouse'), shop: join(root, 'shop') }
    await Promise.all(Object.values(directories).map((directory) => mkdir(directory, { recursive: true })))
    const trusted = {
      warehouse: (await openOrCreateIdentity(directories.warehouse, { commonName: 'warehouse' })).peerId,
      shop: (await openOrCreateIdentity(directories.shop, { commonName: 'shop' })).peerId
    }
    return await runDemo({
      directories,
      trusted,
      once: values.once,
      json: values.json,
      web: !values.once && !values.json,
      openPage: values['no-open'] || !hasBrowser(process) ? undefined : openPage,
      edits,
      timeoutMs,
      interfaces: values.interface,
      output: process.stdout,
      errors: process.stderr
    })
  } finally {
    if (temporary) await rm(root, { recursive: true, force: true })
  }
}

main().then(
  (code) => {
    process.exitCode = code
  },
  (error: unknown) => {
    const { message, hint } = error as { message?: string; hint?: string }
    process.stderr.write(`${message ?? String(error)}\n${hint === undefined || hint === '' ? '' : `${hint}\n`}`)
    process.exitCode = 1
  }
)
