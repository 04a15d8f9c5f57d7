import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const dnssdErrors = defineErrors({
  ERR_DNSSD_SOCKET: {
    when: 'No multicast socket could be opened on any chosen interface.',
    hint: 'Another responder may hold UDP port 5353 exclusively, or the program may not use the network; look at the cause.'
  },
  ERR_DNSSD_NO_INTERFACE: {
    when: 'None of the chosen interfaces exists or is up.',
    hint: 'Compare the "interfaces" option with the names and addresses this machine has.'
  },
  ERR_DNSSD_NAME_CONFLICT: {
    when: 'The display name and a hundred numbered variants of it are taken on the link.',
    hint: 'Choose another display name.'
  },
  ERR_DNSSD_PUBLISH_TIMEOUT: {
    when: 'The service could not be announced before the deadline.',
    hint: 'The link may be flooded with conflicting names; choose another display name and try again.'
  },
  ERR_DNSSD_TOO_LARGE: {
    when: 'The metadata does not fit into one multicast packet.',
    hint: 'Publish less than 8,000 bytes of metadata; about 1,000 bytes are sensible.'
  },
  ERR_DNSSD_UNKNOWN_PEER: { when: 'resolveUrl was asked for a peer that is not listed.', hint: 'Pick a peer from the current list.' },
  ERR_DNSSD_RESOLVE_TIMEOUT: {
    when: "Nobody answered for a peer's host, port or addresses in time.",
    hint: 'The peer may just have left; it is listed again when it returns.'
  },
  ERR_DNSSD_STOPPED: {
    when: 'An operation was under way, or asked for, while the provider was stopped.',
    hint: 'Start the provider again; after shutdown create another one.'
  }
})
