import { type PeerDiscovery, isKithmeshError } from '@kithmesh/core'
import type { Io } from './io.ts'
import { printable } from './printable.ts'

/** Says on stderr which providers do not work, and what to do about that. */
export function warnOfFailures(discovery: PeerDiscovery, io: Io): void {
  if (io.signal.aborted) return
  for (const provider of discovery.providers) {
    const status = discovery.status(provider, 'browse')
    if (status.state === 'online') continue
    io.stderr.write(
      `${provider} found nobody: ${status.state === 'failed' ? printable(status.error.message) : 'there was no answer yet'}\n`
    )
    if (status.state === 'failed' && isKithmeshError(status.error) && status.error.hint !== '')
      io.stderr.write(`  ${printable(status.error.hint)}\n`)
  }
}
