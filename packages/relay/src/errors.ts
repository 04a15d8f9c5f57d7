import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const relayErrors = defineErrors({
  ERR_RELAY_LISTEN: {
    when: 'An address or port of the relay cannot be had.',
    hint: 'Another program may listen there, the address may not be one of this machine, or the port may need rights (below 1024): choose another.'
  },
  ERR_RELAY_TLS: {
    when: 'Certificate and key of the relay cannot be used.',
    hint: 'Give the chain as PEM, the own certificate first, and the private key that belongs to it, not encrypted.'
  }
})
