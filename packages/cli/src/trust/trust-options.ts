import { join } from 'node:path'
import type { Command } from 'commander'
import { type KnownPeers, isPeerId } from '@kithmesh/core'
import {
  type Authenticator,
  type RevocationList,
  allOf,
  anyOf,
  groupKey,
  insecureAcceptAnyone,
  onlyKnownPeers,
  pairing,
  pinnedPeers,
  sharedPassword,
  trustOnFirstUse,
  trustedAuthorities
} from '@kithmesh/identity'
import { cliErrors } from '../errors.ts'
import type { Acceptance } from '../last-run.ts'
import { readNamedFile } from '../named-file.ts'
import { repeat } from '../options.ts'
import type { PairingPrompt } from './pairing-prompt.ts'

/** The file of a database directory with the peers it knows and the revocations it believes. */
export function knownPeersPath(directory: string): string {
  return join(directory, 'known-peers.json')
}

export interface TrustOptions {
  readonly trust?: readonly string[]
  readonly ca?: readonly string[]
  readonly groupKeyFile?: string
  readonly passwordFile?: string
  readonly pair?: true
  readonly firstUse?: true
  readonly authority?: readonly string[]
  readonly insecure?: true
}

export const TRUST_HELP = `Who is accepted: nobody unknown. Devices that were accepted for good are in DIR/known-peers.json (see "kithmesh peers list DIR"), and these options say
who else is; whoever one of them accepts comes in. "kithmesh peers block DIR ID" keeps a device out in any case.
  --pair                 you compare six digits with the other device once; both need --pair and somebody who answers. With --json the question is an
                         event "pairing", and the answer a line on stdin: yes ID or no ID
  --group-key-file FILE  devices with the same key in their file. With another one of these options it does not decide who comes in, and only encrypts
                         what lies on brokers
  --password-file FILE   devices with the same password in their file; short ones will do, as they can be tried a few times only
  --trust ID             the devices named, by the ids that they print when they start
  --ca FILE              devices that this authority certified ("kithmesh identity")
  --first-use            whoever comes first with a name: that is for networks where no stranger is
  --insecure             everybody, each time`

/** Adds the options that say who is accepted; `--group-key-file` comes with those for brokers. */
export function addTrustOptions(command: Command): Command {
  return command
    .option('--pair', 'accept devices that somebody compares six digits with, and remember them')
    .option('--password-file <file>', 'accept devices that have the same password in such a file')
    .option('--trust <peer-id>', 'accept the device with this id of 64 hex digits; repeatable', repeat(String))
    .option('--ca <file>', 'accept devices certified by this authority (PEM); repeatable', repeat(String))
    .option('--authority <file>', 'believe this authority (PEM) which devices are revoked, as those of --ca; repeatable', repeat(String))
    .option('--first-use', 'accept and remember the first device of each name')
    .option('--insecure', 'accept every device of the group, each time anew')
}

/**
 * What the options come to, in a word; of several the one that lets in most.
 * @throws ERR_CLI_USAGE for options that contradict each other
 */
export function acceptance(options: TrustOptions): Acceptance {
  const { insecure, firstUse, passwordFile, pair, ca, trust } = options
  if (insecure && [firstUse, passwordFile, pair, ca, trust].some((each) => each !== undefined))
    throw cliErrors.create('ERR_CLI_USAGE', '--insecure accepts everybody, so that no other option can say who may come', {
      hint: 'Leave it out.'
    })
  if (insecure) return 'everybody'
  if (firstUse) return 'first-use'
  if (passwordFile !== undefined || pair || groupKeyDecides(options)) return 'proof'
  if (ca !== undefined) return 'authority'
  return trust === undefined ? 'known' : 'named'
}

/** Whether the group key says who is accepted: when nothing else does. */
export function groupKeyDecides({ groupKeyFile, insecure, firstUse, passwordFile, pair, ca, trust }: TrustOptions): boolean {
  return groupKeyFile !== undefined && [insecure, firstUse, passwordFile, pair, ca, trust].every((each) => each === undefined)
}

/** Certificates of all authorities whose revocations count. @throws ERR_CLI_FILE */
export async function authoritiesOf({ ca = [], authority = [] }: TrustOptions): Promise<readonly string[]> {
  return await Promise.all([...ca, ...authority].map(textOf))
}

/**
 * Whoever is trusted already or accepted by one of the options, unless blocked or revoked.
 * @throws ERR_CLI_USAGE, ERR_CLI_FILE, ERR_IDENTITY_LOAD
 */
export async function chooseAuthenticator(
  options: TrustOptions,
  {
    known,
    revocations,
    prompt
  }: { readonly known: KnownPeers; readonly revocations: RevocationList; readonly prompt: PairingPrompt | undefined }
): Promise<Authenticator> {
  const { trust, ca, passwordFile, groupKeyFile, firstUse } = options
  const ways: Authenticator[] = []
  if (options.insecure) ways.push(insecureAcceptAnyone())
  if (trust !== undefined) ways.push(pinnedPeers(trust.map(checkedId)))
  if (ca !== undefined) ways.push(trustedAuthorities(await Promise.all(ca.map(textOf))))
  // Those that remember come before those that want a proof each time.
  if (prompt !== undefined) ways.push(pairing({ known, confirm: prompt.confirm }))
  else if (firstUse) ways.push(trustOnFirstUse(known))
  else if (passwordFile !== undefined || ways.length === 0) ways.push(onlyKnownPeers(known))
  if (prompt !== undefined && firstUse) ways.push(trustOnFirstUse(known))
  if (passwordFile !== undefined) ways.push(sharedPassword(await secretOf(passwordFile, '--password-file')))
  if (groupKeyDecides(options) && groupKeyFile !== undefined) ways.push(groupKey(await secretOf(groupKeyFile, '--group-key-file')))
  const way = ways.length === 1 ? ways[0]! : anyOf(...ways)
  return { ...allOf(unlessBlocked(known), revocations.authenticator, way), name: way.name }
}

function unlessBlocked(known: KnownPeers): Authenticator {
  return {
    name: 'known peers',
    check: ({ peerId }) => {
      if (known.get(peerId)?.level === 'blocked') throw new Error('it is blocked')
      return true
    }
  }
}

/** A peer id in lower case. @throws ERR_CLI_USAGE */
export function checkedId(id: string): string {
  const lower = id.toLowerCase()
  if (isPeerId(lower)) return lower
  throw cliErrors.create('ERR_CLI_USAGE', `A peer id has 64 hexadecimal digits: ${JSON.stringify(id)} is none`, {
    hint: 'Each device prints its own id when "kithmesh sync" starts, and "kithmesh identity show DIR" does.'
  })
}

async function textOf(file: string): Promise<string> {
  return (await readNamedFile(file)).toString('utf8')
}

/** The text of a file without the white space around it. @throws ERR_CLI_FILE; ERR_CLI_USAGE when nothing is left, or too little for a key */
async function secretOf(file: string, option: '--password-file' | '--group-key-file'): Promise<string> {
  const text = (await textOf(file)).trim()
  if (text === '') throw cliErrors.create('ERR_CLI_USAGE', `${option}: ${file} is empty`)
  if (option === '--group-key-file' && [...text].length < 12)
    throw cliErrors.create('ERR_CLI_USAGE', `The passphrase in ${file} is shorter than 12 characters`, {
      hint: 'For a shorter secret there is --password-file.'
    })
  return text
}
