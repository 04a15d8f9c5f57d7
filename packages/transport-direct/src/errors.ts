import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const directErrors = defineErrors({
  ERR_DIRECT_URL: {
    when: 'A URL cannot be dialled: its scheme, host or port is not understood.',
    hint: 'Use ws://host:port/name or wss://host:port/name.'
  },
  ERR_DIRECT_RESOLVE: { when: 'A host name has no address.', hint: 'Check the spelling and the name server, or use the IP address.' },
  ERR_DIRECT_DIAL: {
    when: "None of a host's addresses accepted the connection; `details.attempts` says why for each.",
    hint: 'Check that the other program runs, that its port is open in the firewall and that both are on one network.'
  },
  ERR_DIRECT_TIMEOUT: {
    when: 'No address answered before the deadline; `details.attempts` says what was tried.',
    hint: 'The host may be off, or a firewall drops the packets silently.'
  },
  ERR_DIRECT_PORT_IN_USE: {
    when: 'The port to listen on is taken by another program.',
    hint: 'Choose another port, or 0 for any free one; "ss -ltnp" or "lsof -i" shows who has it.'
  },
  ERR_DIRECT_LISTEN: {
    when: 'The listener cannot be opened.',
    hint: 'Ports below 1024 need privileges; the host must be an address of this machine.'
  },
  ERR_DIRECT_INTERFACE: {
    when: 'The network interface, or local address, that was asked for is not there, or cannot reach the address.',
    hint: 'Check the name with "ip address" or "ifconfig"; the interface must be up and have an address of the same family as the host.'
  },
  ERR_DIRECT_POLICY: {
    when: 'None of the addresses of a device may be dialled, by the policy for those that it names through a broker or by the access lists; the message says why for each.',
    hint: 'Anybody can name any address at a broker. Networks behind routers of your own can be allowed with dialPolicy; the access lists are in discovery.access.'
  },
  ERR_DIRECT_SHUT_DOWN: { when: 'The transport was shut down while it was being used.', hint: 'Make a new one.' }
})
