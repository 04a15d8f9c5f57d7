import { defineErrors } from '@kithmesh/core/plugin'

/** Every code this package throws or reports, see docs/errors.md. */
export const bleErrors = defineErrors({
  ERR_BLE_NOT_INSTALLED: {
    when: 'A package that Bluetooth needs is not installed, or was not compiled.',
    hint: 'Install @abandonware/noble and @abandonware/bleno (or the @stoprocent ones) with a C++ compiler at hand; docs/bluetooth.md has the steps.'
  },
  ERR_BLE_UNSUPPORTED: {
    when: 'This system or adapter cannot do what Bluetooth LE needs here.',
    hint: 'docs/bluetooth.md tells what works where; on Linux give Node an adapter of its own.'
  },
  ERR_BLE_NO_ADAPTER: {
    when: 'There is no Bluetooth adapter of that number or address.',
    hint: 'Plug one in, or name another one; on Linux "hciconfig -a" lists them.'
  },
  ERR_BLE_NOT_PERMITTED: {
    when: 'The operating system does not let this program use the Bluetooth adapter.',
    hint: 'On Linux the program needs CAP_NET_ADMIN and CAP_NET_RAW; on macOS allow it under Privacy & Security, Bluetooth.'
  },
  ERR_BLE_POWERED_OFF: { when: 'Bluetooth is switched off.', hint: 'Switch it on; discovery starts again by itself.' },
  ERR_BLE_ADAPTER_BUSY: {
    when: 'Another program, or the system itself, uses the Bluetooth adapter.',
    hint: 'Give it up there: on Linux "btmgmt power off" or "hciconfig hci0 down" frees an adapter that this program is to have for itself.'
  },
  ERR_BLE_ADAPTER_FAILED: {
    when: 'The Bluetooth adapter vanished or does not answer as it should.',
    hint: 'Plug it in again; discovery starts again by itself.'
  },
  ERR_BLE_SHUT_DOWN: {
    when: 'Bluetooth was stopped while it was being used.',
    hint: 'Start it again, or make a new provider after a shutdown.'
  },
  ERR_BLE_TIMEOUT: {
    when: 'A device did not answer over Bluetooth in time.',
    hint: 'It may be at the edge of the range; try again closer to it.'
  },
  ERR_BLE_CONNECT: {
    when: 'No Bluetooth connection to a device could be made.',
    hint: 'It may be out of range, or connected to as many devices as its adapter can serve.'
  },
  ERR_BLE_LINK_LOST: {
    when: 'The Bluetooth connection to a device broke.',
    hint: 'It went out of range or was switched off; it is tried again.'
  },
  ERR_BLE_NO_SERVICE: {
    when: 'A device does not have the service of the peer group, though it advertised it.',
    hint: 'It may have stopped publishing; it is tried again when it advertises next.'
  },
  ERR_BLE_GATT: { when: 'Reading from a device over Bluetooth failed.', hint: 'The log has the details; it is tried again.' },
  ERR_BLE_PROTOCOL: {
    when: 'A device broke the rules of L2CAP or ATT, and its connection was cut.',
    hint: 'Its program may be defective; report it there.'
  },
  ERR_BLE_CHANNEL_REFUSED: {
    when: 'A device refused an L2CAP channel; `details.result` has the reason as a number.',
    hint: 'It may have stopped publishing or has no room for more channels.'
  },
  ERR_BLE_CHANNEL_CLOSED: {
    when: 'A channel was closed before everything written to it had been sent.',
    hint: 'The other side ended the connection; what was sent last may have to be sent again.'
  },
  ERR_BLE_NO_STREAM: {
    when: 'A device offers no stream that this system can open.',
    hint: 'It has L2CAP channels only, which this system lacks; on Linux give Node an adapter of its own.'
  },
  ERR_BLE_LIMIT: { when: 'As many channels or links as there may be exist already.', hint: 'Close some, or raise the limit.' },
  ERR_BLE_METADATA: {
    when: 'The metadata is too long for Bluetooth: 512 bytes as a TXT record.',
    hint: 'Publish less, for instance only what others need to decide.'
  },
  ERR_BLE_PUBLISH: {
    when: 'The adapter refused to advertise or to serve the characteristics.',
    hint: 'The cause has what it said; the log may tell more.'
  },
  ERR_BLE_URL: { when: 'A URL is not of the form l2cap://device:psm.', hint: 'Take it from resolveUrl of a sighting of BluetoothLE.' }
})
