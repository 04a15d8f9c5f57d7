/** BLIP profiles of the channel protocol. Peers that do not speak it answer them with `BLIP`/404. */
export const HELLO = 'kithmesh.hello'
export const TRUST = 'kithmesh.trust'
export const PROOF = 'kithmesh.proof'
export const CONTROL = 'kithmesh.control'
export const PACKET = 'kithmesh.packet'
export const PULL = 'kithmesh.pull'
export const DISCONNECT = 'kithmesh.disconnect'

/** Domain of the channel's error replies; codes are those of HTTP: 400 malformed, 403 not allowed, 409 not now, 413 too large, 429 too many. */
export const CHANNEL_DOMAIN = 'Kithmesh'

/** Version of the protocol that this side speaks, in its hello. */
export const CHANNEL_VERSION = 1
