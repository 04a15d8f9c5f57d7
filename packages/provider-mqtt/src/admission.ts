import type { Clock, Logger } from '@kithmesh/core'
import { type Authenticator, judgeCertificate } from '@kithmesh/identity'
import type { Signatory } from './identity-signature.ts'

/** How long a verdict holds: somebody who is no longer accepted is heard that much longer. */
const verdictMs = 30_000
const maxVerdicts = 1024

/** Whose messages are delivered: of everybody whom the authenticator does not refuse. It is asked once per device and half minute. */
export class Admission {
  readonly #authenticator: Authenticator | undefined
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #verdicts = new Map<string, { readonly verdict: Promise<boolean>; readonly until: number }>()

  constructor(authenticator: Authenticator | undefined, clock: Clock, logger: Logger) {
    this.#authenticator = authenticator
    this.#clock = clock
    this.#logger = logger
  }

  /** Never rejects. */
  admits(sender: Signatory): Promise<boolean> {
    const authenticator = this.#authenticator
    if (authenticator === undefined) return Promise.resolve(true)
    const now = this.#clock.monotonic()
    const known = this.#verdicts.get(sender.peerId)
    if (known !== undefined && known.until > now) return known.verdict
    const verdict = this.#ask(authenticator, sender)
    this.#verdicts.delete(sender.peerId)
    this.#verdicts.set(sender.peerId, { verdict, until: now + verdictMs })
    if (this.#verdicts.size > maxVerdicts) this.#verdicts.delete(this.#verdicts.keys().next().value as string)
    return verdict
  }

  async #ask(authenticator: Authenticator, { peerId, certificateDer, chain, commonName }: Signatory): Promise<boolean> {
    try {
      // Who is yet to prove more may ask for the connection on which it can; the dial policy bounds what comes of that.
      await judgeCertificate(authenticator, { peerId, certificateDer, chain, commonName, role: 'client' })
      return true
    } catch (error) {
      this.#logger.debug('Messages of a device are not taken', { peerId, authenticator: authenticator.name, error })
    }
    return false
  }
}
