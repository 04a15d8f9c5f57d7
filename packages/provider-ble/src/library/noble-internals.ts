import type { PollingHci } from './side-effects.ts'

/** What is touched of noble beyond its public side, to contain its defects. Every field may be missing: platform bindings differ. */
export interface NobleInternals {
  initialized?: boolean
  _initialized?: boolean
  _bindings: BindingsInternals
  _peripherals: Map<string, unknown> | Record<string, unknown>
  _discoveredPeripherals?: Set<string>
  _discoveredPeripheralUUids?: Record<string, unknown>
  _services: Record<string, unknown>
  _characteristics: Record<string, unknown>
  _descriptors: Record<string, unknown>
  _initializeBindings?: () => void
  cancelConnect(id: string): void
  stop?: () => void
  on(event: 'warning', listener: (message: string) => void): unknown
  removeAllListeners(event?: string): unknown
}

export interface BindingsInternals {
  _hci?: NobleHci | null
  _gap?: { _discoveries?: Record<string, unknown> } | null
  _gatts?: Record<string, { _mtu: number } | undefined>
  _addresses?: Record<string, string>
  _addresseTypes?: Record<string, unknown>
  _connectable?: Record<string, unknown>
  scannable?: Record<string, unknown>
  _pendingConnectionUuid?: string | null
  init?: () => void
  stop?: () => void
  onStateChange?: (state: string) => void
  on(event: 'onMtu', listener: (id: string, mtu: number) => void): unknown
  removeAllListeners?: () => unknown
}

export interface NobleHci extends PollingHci {
  _userChannel?: unknown
  _devUpPollTimer?: ReturnType<typeof setTimeout> | null
  _aclConnections: Map<number, unknown>
  _aclQueue: Array<{ readonly handle: number }>
  _socket: { removeAllListeners(): unknown; stop?: () => void }
  flushAcl(): Promise<void>
  on(event: 'leAdvertisingReport', listener: () => void): unknown
  removeAllListeners(): unknown
}

/** Largest MTU of the attribute protocol that noble asks for. */
const OWN_MTU = 256
/** Advertisers that noble's list may hold; it never drops one, and addresses are free for the taking. */
const MAX_DISCOVERIES = 1024
/** Reports between two looks at that list. */
const REPORTS_PER_LOOK = 2048

/**
 * Keeps to the MTU that both sides agreed on: noble takes the server's where it should take the smaller one, and then cuts long values
 * silently (ble.md §6.3).
 */
export function clampMtu(noble: NobleInternals): void {
  const bindings = noble._bindings
  bindings.on('onMtu', (id, mtu) => {
    const gatt = bindings._gatts?.[id]
    if (gatt === undefined || mtu <= OWN_MTU) return
    gatt._mtu = OWN_MTU
    const known = noble._peripherals
    const peripheral = (known instanceof Map ? known.get(id) : known[id]) as { mtu?: number } | undefined
    if (peripheral !== undefined) peripheral.mtu = OWN_MTU
  })
}

/** Forgets advertisers before they fill the memory; the worst that follows is a scan response that is not recognised as one. */
export function boundDiscoveries(bindings: BindingsInternals): void {
  let reports = 0
  bindings._hci?.on('leAdvertisingReport', () => {
    if (++reports % REPORTS_PER_LOOK !== 0) return
    const gap = bindings._gap
    if (gap?._discoveries !== undefined && Object.keys(gap._discoveries).length > MAX_DISCOVERIES) gap._discoveries = {}
  })
}

/**
 * Packets that noble hands over in the moment a link is lost stay in its queue, and sending them fails in a promise that nobody waits for,
 * which ends the process.
 */
export function guardAclQueue(hci: NobleHci): void {
  const flush = hci.flushAcl
  hci.flushAcl = async () => {
    hci._aclQueue = hci._aclQueue.filter(({ handle }) => hci._aclConnections.has(handle))
    try {
      await flush.call(hci)
    } catch {
      // The link went away while it waited for the size of the buffers: what is left belongs to others.
      hci._aclQueue = hci._aclQueue.filter(({ handle }) => hci._aclConnections.has(handle))
      if (hci._aclQueue.length > 0) await hci.flushAcl()
    }
  }
}

/** Drops everything noble keeps about a device. */
export function forgetDevice(noble: NobleInternals, id: string): void {
  const bindings = noble._bindings
  const address = bindings._addresses?.[id]
  if (address !== undefined && bindings._gap?._discoveries !== undefined) delete bindings._gap._discoveries[address]
  for (const record of [bindings._addresses, bindings._addresseTypes, bindings._connectable, bindings.scannable]) delete record?.[id]
  for (const record of [noble._services, noble._characteristics, noble._descriptors, noble._discoveredPeripheralUUids]) delete record?.[id]
  noble._discoveredPeripherals?.delete(id)
  if (noble._peripherals instanceof Map) noble._peripherals.delete(id)
  else delete noble._peripherals[id]
}
