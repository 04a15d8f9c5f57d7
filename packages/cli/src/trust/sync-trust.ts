import { KnownPeers, type Logger } from '@kithmesh/core'
import { type Authenticator, RevocationList, openKnownPeers } from '@kithmesh/identity'
import type { Io } from '../io.ts'
import type { Acceptance } from '../last-run.ts'
import { type Refusal, reportRefusals } from '../refusals.ts'
import { watchKnownPeers } from './known-peers-watch.ts'
import { pairingPrompt } from './pairing-prompt.ts'
import { type TrustOptions, acceptance, authoritiesOf, chooseAuthenticator, knownPeersPath } from './trust-options.ts'

const WARNINGS: { readonly [accepts in Acceptance]?: string } = {
  everybody: '--insecure: every device of the group is accepted, and reads and writes all documents.',
  'first-use': '--first-use: every device with a new name is accepted, and reads and writes all documents.'
}

/** Whom a running `sync` accepts. */
export interface SyncTrust {
  readonly authenticator: Authenticator
  readonly known: KnownPeers
  readonly revocations: RevocationList
  /** From here on refusals are reported, and changes of the file count. */
  watch(report: { refused(refusal: Refusal): void; warn(message: string): void }, onTrusted: (peerId: string) => void): void
  /** What the user should know about the options, once. */
  readonly warning: string | undefined
  /** Writes what is not written yet, and asks nobody any more. */
  stop(): Promise<void>
}

/**
 * Reads whom a database directory knows, and makes of the options who else is accepted.
 * @throws ERR_CLI_USAGE, ERR_CLI_FILE; ERR_IDENTITY_KNOWN_PEERS when the file of known peers is damaged, as nobody can be accepted then
 */
export async function openTrust(
  directory: string,
  options: TrustOptions & { readonly json?: true },
  { io, logger }: { readonly io: Io; readonly logger: Logger }
): Promise<SyncTrust> {
  const accepts = acceptance(options)
  const path = knownPeersPath(directory)
  const file = openKnownPeers(path)
  const known = new KnownPeers({ store: file, logger })
  const revocations = new RevocationList({ authorities: await authoritiesOf(options), store: file.revocations, logger })
  await revocations.start()
  await known.start()
  const prompt = options.pair ? pairingPrompt(io, options.json === true) : undefined
  const refusals = reportRefusals(await chooseAuthenticator(options, { known, revocations, prompt }), (peerId) =>
    adviceFor(directory, peerId, known)
  )
  let unwatch = (): void => {}
  return {
    authenticator: refusals.authenticator,
    known,
    revocations,
    warning: WARNINGS[accepts],
    watch: (report, onTrusted) => {
      refusals.onRefused = (refusal) => {
        report.refused(refusal)
      }
      unwatch = watchKnownPeers(path, {
        known,
        revocations,
        logger,
        onTrusted,
        warn: (message) => {
          report.warn(message)
        }
      })
    },
    stop: async () => {
      unwatch()
      prompt?.close()
      await known.stop()
    }
  }
}

function adviceFor(directory: string, peerId: string, known: KnownPeers): string {
  const blocked = known.get(peerId)?.level === 'blocked'
  return `${blocked ? 'To accept it after all' : 'To accept it'}: kithmesh peers allow ${/\s/.test(directory) ? JSON.stringify(directory) : directory} ${peerId}`
}
