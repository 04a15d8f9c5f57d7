import { join } from 'node:path'
import { KnownPeers } from '@kithmesh/core'
import { type Authenticator, type Identity, RevocationList, createIdentity, loadIdentity, openKnownPeers } from '@kithmesh/identity'
import { readNamedFile } from '../named-file.ts'
import type { PairingPrompt } from '../trust/pairing-prompt.ts'
import { type TrustOptions, acceptance, authoritiesOf, chooseAuthenticator, knownPeersPath } from '../trust/trust-options.ts'

export interface Ourselves {
  readonly identity: Identity
  /** Undefined when nobody said who is accepted. */
  readonly authenticator: Authenticator | undefined
}

/** Nobody is asked: that a device would have to prove itself is all that is wanted. */
const SILENT: PairingPrompt = { confirm: async () => false, close: () => {} }

/**
 * Who this side is, and whom it would accept, by the options of `sync`: the device of a database directory, or one for this once. Nothing is written, whoever
 * is met.
 * @throws ERR_CLI_USAGE, ERR_CLI_FILE, ERR_IDENTITY_LOAD, ERR_IDENTITY_KNOWN_PEERS
 */
export async function whoWeAre(options: TrustOptions & { readonly dir?: string }): Promise<Ourselves> {
  const { dir, trust, ca, passwordFile, firstUse, insecure, groupKeyFile, pair } = options
  acceptance(options)
  const identity =
    dir === undefined
      ? await createIdentity({ commonName: 'kithmesh explain' })
      : await loadIdentity({ pem: (await readNamedFile(join(dir, 'identity.pem'))).toString('latin1') })
  const asked = [dir, trust, ca, passwordFile, firstUse, insecure, groupKeyFile, pair].some((each) => each !== undefined)
  if (!asked) return { identity, authenticator: undefined }
  const file = dir === undefined ? undefined : openKnownPeers(knownPeersPath(dir))
  const forgets = async (): Promise<void> => {}
  const [peers, revoked] = [(await file?.load()) ?? [], (await file?.revocations.load()) ?? []]
  const known = new KnownPeers({ store: { load: async () => peers, save: forgets } })
  const revocations = new RevocationList({ authorities: await authoritiesOf(options), store: { load: async () => revoked, save: forgets } })
  await known.start()
  await revocations.start()
  const prompt = pair ? SILENT : undefined
  return { identity, authenticator: await chooseAuthenticator(options, { known, revocations, prompt }) }
}
