import type { TlsMode, ValidationMode } from '../contracts.ts'

export const tlsModes: readonly TlsMode[] = ['off', 'anonymous', 'identity']
export const validationModes: readonly ValidationMode[] = ['any', 'self-signed', 'ca', 'pinned', 'plain']

/**
 * The URL to connect to for what a listener advertises and what was chosen here. An advertisement is nobody's word: that it says "no TLS" must not make us
 * send a password in the clear, so that has to be chosen.
 * @returns the URL, or why there will be none.
 */
export function targetOf(
  url: string,
  listenerHasTls: boolean | undefined,
  mode: ValidationMode
): { readonly url: string } | { readonly refused: string } {
  const target = new URL(url)
  if (mode === 'plain') {
    if (listenerHasTls === true) return { refused: 'The listener wants TLS. Choose how its certificate is to be checked.' }
    target.protocol = 'ws:'
    return { url: target.href }
  }
  if (listenerHasTls === false)
    return {
      refused:
        'The listener offers no TLS, so its certificate cannot be checked and the password would go in the clear. Choose "No TLS" to do that.'
    }
  target.protocol = 'wss:'
  return { url: target.href }
}
