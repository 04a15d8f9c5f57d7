import { PEER_GROUP_NAMESPACE, uuid5 } from '@kithmesh/core/plugin'

/** Its value is the PSM of the device's L2CAP channel, 16 bits, little-endian; 0 when it has none (seed 000, Bluetooth LE). */
export const PORT_CHARACTERISTIC = 'abdd3056-28fa-441d-a470-55a75a52553a'
/** Its value is the metadata as a TXT record (seed 000, Bluetooth LE). */
export const METADATA_CHARACTERISTIC = '936d7669-e532-42bf-8b8d-97e3c1073f74'
/** Ours alone: writes without response and notifications are frames of L2CAP, for platforms without L2CAP channels (ble.md §4). */
export const STREAM_CHARACTERISTIC = '5f2a4d1c-6f0e-4c57-9d0a-3b7c4e86a2d1'

/** UUID of the service of a peer group (RFC 9562 §5.5): lowercase, with dashes. */
export function serviceUuid(peerGroupId: string): string {
  return uuid5(PEER_GROUP_NAMESPACE, peerGroupId)
}
