import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  type Identity,
  createCertificateAuthority,
  createIdentity,
  createRevocation,
  identityToPem,
  loadIdentity,
  openKnownPeers
} from '@kithmesh/identity'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { fileError, makeNewFile, readNamedFile } from '../named-file.ts'
import { repeat } from '../options.ts'
import { printable } from '../printable.ts'
import { checkedId, knownPeersPath } from '../trust/trust-options.ts'

const TEN_YEARS = 3650
const KEY = 'authority.pem'
const CERTIFICATE = 'authority.crt'

export function identityCommand(parent: Command, io: Io): void {
  const command = parent
    .command('identity')
    .description('show who a device is, certify devices, and revoke them')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh identity show ./shop                            the id that others name with --trust
  kithmesh identity authority ./office                     make an authority: ./office/authority.pem is its key, authority.crt for everybody
  kithmesh identity issue ./office ./till --name "Till 2"  make the identity of a device, before its first sync
  kithmesh sync ./till --group shop --ca ./office/authority.crt
  kithmesh identity revoke ./office 3fb1… --reason stolen --in ./till
A revocation spreads from device to device, to all that name the authority with --ca or --authority. There is no taking back: a device that is to
come back needs a new identity.`
    )
  command
    .command('show')
    .description("print a device's id, name and dates")
    .argument('<dir>', 'database directory')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  kithmesh identity show ./shop')
    .action(async (directory: string, options: { readonly json?: true }) => {
      const path = join(directory, 'identity.pem')
      show(io, await loadIdentity({ pem: await readNamedFile(path) }), options.json === true)
    })
  command
    .command('authority')
    .description('make an authority, which certifies and revokes devices')
    .argument('<dir>', 'directory for its files, made if missing')
    .option('--name <name>', 'what people see', 'Kithmesh authority')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  kithmesh identity authority ./office --name "Head office"')
    .action(async (directory: string, options: { readonly name: string; readonly json?: true }) => {
      const authority = await createCertificateAuthority({ commonName: options.name, validDays: TEN_YEARS })
      await makeFile(directory, KEY, identityToPem(authority), 0o600)
      await makeFile(directory, CERTIFICATE, authority.certificatePem, 0o644)
      show(io, authority, options.json === true)
    })
  command
    .command('issue')
    .description('make the identity of a device, certified by an authority')
    .argument('<authority-dir>', 'directory of the authority')
    .argument('<dir>', 'database directory of the device, made if missing')
    .requiredOption('--name <name>', 'what people see')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  kithmesh identity issue ./office ./till --name "Till 2"')
    .action(async (from: string, directory: string, options: { readonly name: string; readonly json?: true }) => {
      const issuer = await authorityIn(from)
      const identity = await createIdentity({ commonName: options.name, validDays: TEN_YEARS, issuer })
      await makeFile(directory, 'identity.pem', identityToPem(identity), 0o600)
      show(io, identity, options.json === true)
    })
  command
    .command('revoke')
    .description('say for good that a device is no longer to be trusted, and print that as a line of JSON')
    .argument('<authority-dir>', 'directory of the authority')
    .argument('<peer-id>', 'the device')
    .option('--reason <text>', 'for people, at most 200 characters', '')
    .option(
      '--in <dir>',
      'database directory of a device that is to know it and spread it, also while it syncs; repeatable',
      repeat(String)
    )
    .option('--json', 'report errors as JSON, too')
    .addHelpText('after', '\nExamples:\n  kithmesh identity revoke ./office 3fb1… --reason stolen --in ./till')
    .action(async (from: string, peerId: string, options: { readonly reason: string; readonly in?: readonly string[] }) => {
      if (options.reason.length > 200) throw cliErrors.create('ERR_CLI_USAGE', '--reason takes at most 200 characters')
      const authority = await authorityIn(from)
      const revocation = createRevocation(authority, checkedId(peerId), { reason: options.reason })
      for (const directory of options.in ?? []) {
        const store = openKnownPeers(knownPeersPath(directory)).revocations
        const stored = await store.load()
        if (!stored.some((each) => each.peerId === revocation.peerId && each.authority === revocation.authority))
          await store.save([...stored, revocation])
      }
      jsonLine(io, revocation)
    })
}

function show(io: Io, { peerId, commonName, notBefore, notAfter }: Identity, json: boolean): void {
  if (json) jsonLine(io, { peerId, name: commonName, notBefore: notBefore.toISOString(), notAfter: notAfter.toISOString() })
  else line(io, `${peerId}\t${printable(commonName)}\tvalid until ${notAfter.toISOString().slice(0, 10)}`)
}

async function authorityIn(directory: string): Promise<Identity> {
  return await loadIdentity({ pem: await readNamedFile(join(directory, KEY)) })
}

/** A file that was not there before. @throws ERR_CLI_FILE */
async function makeFile(directory: string, name: string, text: string, mode: number): Promise<void> {
  const path = join(directory, name)
  try {
    await mkdir(directory, { recursive: true })
  } catch (cause) {
    throw fileError(path, 'written', cause)
  }
  if (!(await makeNewFile(path, text, mode))) throw fileError(path, 'written', new Error('there is one already'))
}
