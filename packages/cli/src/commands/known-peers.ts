import type { Command } from 'commander'
import { KnownPeers, type TrustLevel } from '@kithmesh/core'
import { openKnownPeers } from '@kithmesh/identity'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { printable } from '../printable.ts'
import { checkedId, knownPeersPath } from '../trust/trust-options.ts'

/** `kithmesh peers list|allow|block|forget`, which work on the known peers of a database directory, also while `sync` runs there. */
export function knownPeersCommands(peers: Command, io: Io): void {
  peers
    .command('list')
    .description('list the devices that a database directory knows, and those that are revoked')
    .argument('<dir>', 'database directory')
    .option('--json', 'print one JSON line per device')
    .addHelpText('after', '\nExamples:\n  kithmesh peers list ./shop\n  kithmesh peers list ./shop --json')
    .action(async (directory: string, { json }: { readonly json?: true }) => {
      const file = openKnownPeers(knownPeersPath(directory))
      for (const peer of await file.load()) {
        if (json) jsonLine(io, peer)
        else
          line(
            io,
            [peer.level, peer.peerId, printable(peer.name), peer.how, seen(peer.lastSeen), peer.lastAddress ?? ''].join('\t').trimEnd()
          )
      }
      for (const { peerId, reason, issuedAt, authority } of await file.revocations.load()) {
        if (json) jsonLine(io, { peerId, level: 'revoked', reason, issuedAt, authority })
        else line(io, ['revoked', peerId, printable(reason), new Date(issuedAt).toISOString()].join('\t'))
      }
    })
  change(peers, io, 'allow', 'trusted', 'trust a device by its id from now on')
  change(peers, io, 'block', 'blocked', 'keep a device out, whatever else would let it in; a connection that it has ends')
  peers
    .command('forget')
    .description('forget what is known of devices: neither trusted nor blocked')
    .argument('<dir>', 'database directory')
    .argument('<peer-id...>', 'the devices')
    .option('--json', 'print one JSON line per device')
    .addHelpText('after', '\nExamples:\n  kithmesh peers forget ./shop 3fb1…')
    .action(async (directory: string, ids: readonly string[], { json }: { readonly json?: true }) => {
      const wanted = ids.map(checkedId)
      await withKnown(directory, async (known) => {
        const unknown: string[] = []
        for (const id of wanted) {
          if (!(await known.forget(id))) unknown.push(id)
          else if (json) jsonLine(io, { peerId: id, forgotten: true })
        }
        if (unknown.length > 0)
          throw cliErrors.create('ERR_CLI_NOT_FOUND', `${unknown.join(' and ')} is not known`, { hint: `kithmesh peers list ${directory}` })
      })
    })
}

function change(peers: Command, io: Io, name: string, level: TrustLevel, description: string): void {
  peers
    .command(name)
    .description(description)
    .argument('<dir>', 'database directory')
    .argument('<peer-id...>', 'the devices, 64 hex digits each')
    .option('--name <name>', 'what it is called in lists')
    .option('--json', 'print one JSON line per device')
    .addHelpText('after', `\nExamples:\n  kithmesh peers ${name} ./shop 3fb1… --name "Till 2"`)
    .action(async (directory: string, ids: readonly string[], options: { readonly name?: string; readonly json?: true }) => {
      const wanted = ids.map(checkedId)
      await withKnown(directory, async (known) => {
        for (const peerId of wanted) {
          const name = options.name ?? known.get(peerId)?.name ?? ''
          await known.remember({ peerId, level, name, how: 'by hand' })
          if (options.json) jsonLine(io, { peerId, level, name })
        }
      })
    })
}

async function withKnown(directory: string, work: (known: KnownPeers) => Promise<void>): Promise<void> {
  const known = new KnownPeers({ store: openKnownPeers(knownPeersPath(directory)) })
  await known.start()
  try {
    await work(known)
  } finally {
    await known.stop()
  }
}

function seen(at: number): string {
  return at === 0 ? 'never seen' : new Date(at).toISOString()
}
