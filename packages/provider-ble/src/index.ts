/**
 * Bluetooth LE: devices without a common network find each other and connect.
 *
 * @example
 * ```ts
 * import { createPeerDiscovery } from '@kithmesh/core'
 * import { ble, userChannel } from '@kithmesh/provider-ble'
 *
 * const discovery = createPeerDiscovery({
 *   peerGroupId: 'com.example.shop',
 *   localPeerId: 'a1'.repeat(32), // usually identity.peerId
 *   providers: [ble({ adapter: userChannel({ device: 0 }) })], // hci0 of a Linux machine; ble() takes what the system offers
 *   transports: []
 * })
 * discovery.addObserver({
 *   devicesChanged: ({ added }) => { console.log(added.map(({ displayName }) => displayName)) },
 *   statusChanged: (provider, mode, status) => { if (status.state === 'failed') console.log(provider, mode, status.error) }
 * })
 * await discovery.start({ publish: { displayName: 'Shop' } })
 * ```
 *
 * @packageDocumentation
 */
import { PROVIDER_CONTRACT_VERSION } from '@kithmesh/core/plugin'
import type { ProviderCapabilities, ProviderFactory } from '@kithmesh/core/plugin'
import { checkOptions } from './provider/options.ts'
import type { BleOptions } from './provider/options.ts'
import { BleProvider } from './provider/provider.ts'

export type {
  Advertisement,
  BleBackend,
  BleBackendCapabilities,
  BleBackendContext,
  BleBackendFactory,
  BleCentral,
  BlePublication,
  BlePublisher,
  DeviceRecord
} from './backend/contracts.ts'
export { defaultBackend } from './backend/default-backend.ts'
export type { DefaultBackendOptions } from './backend/default-backend.ts'
export { hciBackend } from './backend/hci-backend.ts'
export type { HciBackendOptions } from './backend/hci-backend.ts'
export { platformBackend } from './backend/platform-backend.ts'
export type { PlatformBackendOptions } from './backend/platform-backend.ts'
export { bleErrors } from './errors.ts'
export { METADATA_CHARACTERISTIC, PORT_CHARACTERISTIC, STREAM_CHARACTERISTIC, serviceUuid } from './gatt/uuids.ts'
export { metadataTag } from './gatt/tag.ts'
export { createHciHost } from './hci/create-hci-host.ts'
export type { HciHostOptions } from './hci/create-hci-host.ts'
export type { ChannelLimits } from './l2cap/channel-limits.ts'
export { h4Socket } from './hci/h4/h4-socket.ts'
export type { H4Address, H4SocketOptions } from './hci/h4/h4-socket.ts'
export { sharedChannel, userChannel } from './hci/native/linux-adapter.ts'
export type { LinuxAdapterOptions } from './hci/native/linux-adapter.ts'
export type { AclLink, BleAddress, ChannelListener, HciHost, LibraryStack } from './hci/hci-host.ts'
export type { HciAdapter, HciPort, HciPortHandlers } from './hci/hci-port.ts'
export type { BleLibrary } from './library/libraries.ts'
export { bluetoothOfMachine } from './machine.ts'
export type { BluetoothOfMachine } from './machine.ts'
export type { BleOptions } from './provider/options.ts'

const capabilities: Readonly<ProviderCapabilities> = Object.freeze({
  publishes: true,
  metadata: true,
  metadataUpdates: true,
  reportsDisappearance: true,
  suppliesSocketFactory: true,
  incomingConnections: true,
  lastResort: true,
  needsPort: false
})

/**
 * Discovery and connections over Bluetooth LE. Peers are devices that advertise the service of the group; their id is `ble:<address>`, their
 * URL `l2cap://<address>:<psm>`, which the provider's socket factory opens. Nothing of Bluetooth is loaded before a start.
 *
 * @throws TypeError for options that cannot work
 */
export function ble(options: BleOptions = {}): ProviderFactory {
  const checked = checkOptions(options)
  return Object.freeze<ProviderFactory>({
    name: 'BluetoothLE',
    contractVersion: PROVIDER_CONTRACT_VERSION,
    capabilities,
    create: (context) => new BleProvider(context, checked)
  })
}
