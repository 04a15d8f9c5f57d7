import { defineErrors } from '@kithmesh/core'

/** Every code the reference plugins throw. */
export const memoryErrors = defineErrors({
  ERR_MEMORY_CONNECT: { when: 'Nobody listens at a `memory:` URL.', hint: 'The peer has stopped publishing; resolve its URL again.' },
  ERR_MEMORY_SHUT_DOWN: { when: 'The memory transport was shut down meanwhile.', hint: 'Make a new discovery.' },
  ERR_MEMORY_URL: { when: 'A URL is not of the form `memory://host:port/…`.', hint: 'Pass the URL that resolveUrl gave.' }
})
