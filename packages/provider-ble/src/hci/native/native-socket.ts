import { createRequire } from 'node:module'

/** What is used of the socket package's class (ble.md §2). */
export interface NativeSocket {
  bindRaw(device?: number): number
  bindUser(device?: number): number
  isDevUp(): boolean
  getDeviceList(): readonly { readonly devId: number; readonly devUp: boolean }[]
  start(): void
  stop(): void
  setFilter(filter: Buffer): void
  write(packet: Buffer): void
  on(event: 'data', listener: (packet: Buffer) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  removeAllListeners(): unknown
}

export type NativeSocketClass = new () => NativeSocket

/** Loads the class with its native part. Throws what `require` throws. */
export function loadNativeSocket(): NativeSocketClass {
  return createRequire(import.meta.url)('@abandonware/bluetooth-hci-socket') as NativeSocketClass
}
