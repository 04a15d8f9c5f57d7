import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const stunErrors = defineErrors({
  ERR_STUN_MALFORMED: {
    when: 'Bytes are no valid STUN message or frame; `details.reason` says what is wrong with them.',
    hint: 'Something other than a STUN or TURN server may be listening there: check host, port and scheme (stun:, stuns:, turn:, turns:).'
  },
  ERR_STUN_URI: {
    when: 'A stun: or turn: URI is not understood.',
    hint: 'Use stun:host, stun:host:port, stuns:host, turn:host:port?transport=tcp or turns:host; IPv6 addresses stand in brackets.'
  },
  ERR_STUN_RESOLVE: {
    when: "The server's host name has no address of the family needed.",
    hint: 'Check the spelling and the name server, or use the IP address.'
  },
  ERR_STUN_SOCKET: {
    when: 'The local socket cannot be opened, or broke.',
    hint: 'The local address must be one of this machine, and the local port must not be in use; a TCP port with a listener on it cannot be dialled from.'
  },
  ERR_STUN_CONNECT: {
    when: "The TCP or TLS connection to the server failed; the cause has Node's code.",
    hint: 'Check that the server runs and listens on this port for this transport; with TLS, that its certificate is valid for the host name.'
  },
  ERR_STUN_TIMEOUT: {
    when: 'The server did not answer in time.',
    hint: 'The server may be down, or a firewall drops its packets; where UDP is blocked, TCP or TLS (turns:, port 443) often works.'
  },
  ERR_STUN_UNREACHABLE: {
    when: 'The network said that the server cannot be reached.',
    hint: 'Nothing listens on that port, or there is no route to the host: check host, port and transport.'
  },
  ERR_STUN_CLOSED: {
    when: 'The socket or connection was closed while an answer was awaited, or is used after it was closed.',
    hint: 'Open a new one; when the server closed the connection, its log says why.'
  },
  ERR_STUN_BUSY: {
    when: 'Too many requests are under way on one socket.',
    hint: 'Wait for the answers of some before sending more.'
  },
  ERR_STUN_RESPONSE: {
    when: 'The server answered with an error, or with something that does not answer the question; `details.errorCode` has the STUN code.',
    hint: 'The reason the server gave is in the message; its log may say more.'
  },
  ERR_STUN_INTEGRITY: {
    when: 'An answer was not signed with the password of this client.',
    hint: 'Somebody between here and the server changes packets, or the server has another password for this user.'
  },
  ERR_STUN_CREDENTIALS: {
    when: 'The server refused user name and password.',
    hint: 'Check user name, password and realm; passwords of the REST kind expire with the time in their user name.'
  },
  ERR_STUN_REDIRECT: {
    when: 'The server sent the client to another server that the policy does not allow, or a second time.',
    hint: 'Name the server that shall be used, or allow its address with `allowRedirect`.'
  },
  ERR_TURN_REFUSED: {
    when: 'The TURN server refused the operation; `details.errorCode` has the STUN code.',
    hint: 'The reason the server gave is in the message; its log may say more.'
  },
  ERR_TURN_FORBIDDEN: {
    when: 'The TURN server forbids this (403): often a relay to private or loopback addresses.',
    hint: "Servers deny ranges of peer addresses by default; look at the server's options for allowed and denied peers."
  },
  ERR_TURN_MISMATCH: {
    when: 'The server has no such allocation, or already one for this address and port (437).',
    hint: 'The server was restarted, or the allocation expired: allocate anew.'
  },
  ERR_TURN_OTHER_USER: {
    when: 'The allocation belongs to other credentials (441).',
    hint: 'Use the user name the allocation was made with.'
  },
  ERR_TURN_TRANSPORT: {
    when: 'The server does not offer this kind of relay (442, or 400 for TCP relays).',
    hint: 'Relaying TCP needs a server with RFC 6062, such as coturn, and a control connection over TCP or TLS; relay UDP otherwise.'
  },
  ERR_TURN_FAMILY: {
    when: 'The server has no address of the family asked for, or the peer is of another family than the relay (440, 443).',
    hint: 'Ask for the family of the peer, and use a server that has both IPv4 and IPv6.'
  },
  ERR_TURN_CONNECTION_EXISTS: {
    when: 'There is already a relayed connection to this peer (446).',
    hint: 'Use the one there is, or close it first.'
  },
  ERR_TURN_PEER_UNREACHABLE: {
    when: 'The server could not connect to the peer (447).',
    hint: 'The peer must be reachable from the server: behind a NAT it has to allocate a relay of its own or connect to this one.'
  },
  ERR_TURN_QUOTA: {
    when: 'The user has all the allocations the server grants (486).',
    hint: "Close others, wait for those of crashed programs to expire (ten minutes), or raise the server's user quota."
  },
  ERR_TURN_CAPACITY: {
    when: 'The server has no relay ports or bandwidth left (508).',
    hint: 'Use another server, or try again later.'
  },
  ERR_TURN_LOST: {
    when: 'An allocation ended without being closed: the server was restarted or is unreachable, or refused to prolong it.',
    hint: 'Allocate anew; the cause says what was noticed.'
  },
  ERR_TURN_CLOSED: {
    when: 'An allocation is used after it was closed.',
    hint: 'Make a new one.'
  },
  ERR_TURN_LIMIT: {
    when: 'A bound of this client would be exceeded, such as channels, permissions or connections of one allocation.',
    hint: 'Close what is not used any more, or use a second allocation.'
  }
})
