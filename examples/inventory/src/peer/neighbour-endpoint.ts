import type { PasswordCredentials, ServerTrust } from '@kithmesh/identity'
import { locatedEndpoint } from '@kithmesh/replicator'
import type { ReplicatorEndpoint } from '@kithmesh/replicator'
import type { ValidationMode } from '../contracts.ts'
import { targetOf } from '../model/modes.ts'
import { inventoryErrors } from './errors.ts'

export interface NeighbourEndpointOptions {
  /** Stable name of the listener. */
  readonly uid: string
  readonly description: string
  readonly mode: ValidationMode
  readonly credentials: PasswordCredentials
  /** PEM or DER, in the mode `pinned`. */
  readonly pin?: Uint8Array | undefined
  /** PEM, in the mode `ca`; without any, those that come with Node. */
  readonly authorities: readonly string[]
  /** Where it is now, and whether it says that it has TLS; undefined while it is not to be seen. */
  readonly locate: (signal: AbortSignal) => Promise<Location | undefined>
  readonly onLocated: (url: string) => void
  /** Calls back when the listener is seen, until the returned function is called. */
  readonly onSeen: (seen: () => void) => () => void
}

export interface Location {
  readonly url: string
  readonly addresses?: readonly string[]
  readonly tls: boolean | undefined
}

/** A listener wherever it is at the moment, with the check of its certificate that was chosen. */
export function neighbourEndpoint(options: NeighbourEndpointOptions): ReplicatorEndpoint {
  const trust = trustOf(options)
  return locatedEndpoint({
    uid: options.uid,
    description: options.description,
    basicAuth: options.credentials,
    ...(trust !== undefined && { trust }),
    onSeen: options.onSeen,
    locate: async ({ signal }) => {
      const found = await options.locate(signal)
      if (found === undefined) return undefined
      const target = targetOf(found.url, found.tls, options.mode)
      if ('refused' in target) throw inventoryErrors.create('ERR_INVENTORY_TLS', target.refused)
      options.onLocated(target.url)
      return { ...found, url: target.url }
    }
  })
}

function trustOf({ mode, pin, authorities }: NeighbourEndpointOptions): ServerTrust | undefined {
  switch (mode) {
    case 'any':
      return { mode: 'insecure' }
    case 'self-signed':
      return { mode: 'self-signed' }
    case 'ca':
      return authorities.length > 0 ? { mode: 'ca', ca: authorities } : { mode: 'ca' }
    case 'pinned':
      if (pin === undefined)
        throw inventoryErrors.create('ERR_INVENTORY_CERTIFICATE', 'Choose the certificate that the listener has to show')
      return { mode: 'pinned', certificate: pin }
    case 'plain':
      return undefined
  }
}
