// What states, transports and qualities are called, and which of the style sheet's colours they have. No DOM.
import type { DashboardDevice, DeviceState } from '@kithmesh/dashboard/contracts'

/** Colours of the style sheet: `.tone-good` and so on. */
export type Tone = 'good' | 'busy' | 'quiet' | 'warn' | 'bad'

export interface Meaning {
  readonly label: string
  readonly tone: Tone
  /** What it means, for people who see it for the first time. */
  readonly explanation: string
}

const states: Readonly<Record<DeviceState, Meaning>> = {
  idle: { label: 'In step', tone: 'good', explanation: 'Connected; everything that either side has is on the other.' },
  busy: { label: 'Syncing', tone: 'busy', explanation: 'Connected; documents are on their way.' },
  connecting: { label: 'Connecting', tone: 'busy', explanation: 'A connection is being made.' },
  waiting: { label: 'Waiting', tone: 'warn', explanation: 'The last attempt failed; the next one comes by itself.' },
  standby: { label: 'Through others', tone: 'quiet', explanation: 'Not linked with this device; documents take the way through others.' },
  offline: { label: 'Offline', tone: 'quiet', explanation: 'Not seen at the moment.' },
  restricted: { label: 'Not trusted', tone: 'bad', explanation: 'Connected, but no documents move: one side does not trust the other.' },
  quarantined: { label: 'Quarantined', tone: 'bad', explanation: 'It misbehaved and is kept out for a while.' }
}

/** What a device's state means. A state that this page does not know is shown by its name. */
export function meaningOf(state: string): Meaning {
  return Object.hasOwn(states, state) ? states[state as DeviceState] : { label: state.slice(0, 24), tone: 'quiet', explanation: '' }
}

/** States in which a device is connected. */
export function isConnected(device: Pick<DashboardDevice, 'state'>): boolean {
  return device.state === 'idle' || device.state === 'busy' || device.state === 'restricted'
}

export interface TransportLook {
  /** Number of the style sheet's colour, `.route-1` to `.route-6`. */
  readonly colour: number
  readonly label: string
  readonly explanation: string
}

const transports: Readonly<Record<string, TransportLook>> = {
  direct: { colour: 1, label: 'Direct', explanation: 'TCP straight to the device.' },
  reverse: { colour: 2, label: 'Reverse', explanation: 'The device was asked to connect to us.' },
  holepunch: { colour: 3, label: 'Hole punch', explanation: 'Through the NATs of both sides at once.' },
  turn: { colour: 4, label: 'TURN', explanation: 'Through a relay.' },
  bluetoothle: { colour: 5, label: 'Bluetooth LE', explanation: 'By radio, without a network.' },
  ble: { colour: 5, label: 'Bluetooth LE', explanation: 'By radio, without a network.' }
}

/** How a link over a transport is drawn. Unknown transports share one colour and keep their name. */
export function lookOf(transport: string | null): TransportLook {
  const key = (transport ?? '').toLowerCase().replaceAll(/[^a-z]/g, '')
  if (Object.hasOwn(transports, key)) return transports[key] as TransportLook
  return { colour: 6, label: transport === null ? 'Other' : transport.slice(0, 24), explanation: '' }
}

/** What a route's quality is called. */
export function qualityLabel(quality: DashboardDevice['quality']): string {
  return quality === 'relayed' ? 'relayed' : quality === 'last-resort' ? 'last resort' : quality === null ? '' : 'no relay'
}
