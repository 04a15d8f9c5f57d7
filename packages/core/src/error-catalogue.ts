import { defineErrors } from './errors.ts'

/** Every code this package throws, see docs/errors.md. */
export const coreErrors = defineErrors({
  ERR_CORE_TIMEOUT: { when: 'An operation did not finish before its deadline.', hint: 'The other side may be unreachable or overloaded; try again, or raise the limit.' },
  ERR_PD_GROUP_ID: { when: 'A peer group id is empty, too long or has forbidden characters.', hint: 'Use 1 to 63 bytes without comma, backslash or control characters, e.g. "com.example.shop".' },
  ERR_PD_METADATA: { when: 'A metadata key or value cannot be encoded as a TXT item.', hint: 'Keys are printable ASCII without "="; key and value together fit in 254 bytes.' },
  ERR_PD_UNSUPPORTED: { when: 'A provider was asked for something its capabilities exclude.', hint: 'Look at the factory\'s capabilities, or choose another provider.' },
  ERR_PD_NOT_PUBLISHING: { when: 'updateMetadata was called while nothing is published.', hint: 'Call startPublishing first.' },
  ERR_PD_RESOLVE_BUSY: { when: 'resolveUrl was called while another call for this peer is running.', hint: 'Wait for it, or cancel it with its signal.' },
  ERR_PD_RESOLVE_FAILED: { when: 'A provider could not find out where a peer can be reached.', hint: 'The peer may just have left; it is listed again when it returns.' },
  ERR_PD_PEER_OFFLINE: { when: 'A peer is no longer there.', hint: 'Pick a peer from the current list.' }
})
