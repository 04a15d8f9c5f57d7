import { defineErrors, isKithmeshError } from '@kithmesh/core'
import type { ErrorView } from '../contracts.ts'

export const inventoryErrors = defineErrors({
  ERR_INVENTORY_TLS: {
    when: 'What the listener offers and the check that was chosen do not go together.',
    hint: 'Choose another check for this connection, or another TLS mode at the listener.'
  },
  ERR_INVENTORY_CERTIFICATE: {
    when: 'A certificate or identity cannot be used.',
    hint: 'Give a certificate as PEM or DER; an identity as PKCS#12 or PEM with its private key and the right passphrase.'
  },
  ERR_INVENTORY_REFUSED: {
    when: 'A request makes no sense at the moment.',
    hint: 'Look at what changed meanwhile, and try again.'
  },
  ERR_INVENTORY_LOGIN: {
    when: 'The name or the password is wrong.',
    hint: 'The people who may log in are in userlist.json.'
  }
})

/** An error for people. What broke a connection is found at the bottom of its causes, and that is what they need to hear. */
export function viewOf(error: unknown): ErrorView {
  let deepest: unknown = error
  const seen = new Set<unknown>()
  for (let next = error; next instanceof Error && !seen.has(next); next = next.cause) {
    seen.add(next)
    if (isKithmeshError(next)) deepest = next
  }
  const shown = isKithmeshError(deepest) ? deepest : undefined
  return {
    code: isKithmeshError(error) ? error.code : 'ERR_INVENTORY_INTERNAL',
    reason: shown?.code ?? 'ERR_INVENTORY_INTERNAL',
    message: shown?.message ?? (error instanceof Error ? error.message : String(error)),
    hint: shown?.hint ?? ''
  }
}
