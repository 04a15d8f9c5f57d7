/** What is used of bleno, which both families offer: the peripheral's side. */
export interface BlenoLike {
  /** `unknown`, `resetting`, `unsupported`, `unauthorized`, `poweredOff` or `poweredOn`. */
  readonly state: string
  /** Bytes; of the connection that exchanged it last. */
  readonly mtu: number
  on(event: 'stateChange', listener: (state: string) => void): unknown
  /** `connection` identifies the central where the library serves several at a time. */
  on(event: 'accept' | 'disconnect', listener: (clientAddress: string, connection?: number) => void): unknown
  on(event: 'mtuChange', listener: (mtu: number) => void): unknown
  on(event: 'advertisingStart' | 'advertisingStop', listener: (error?: Error | null) => void): unknown
  on(event: 'advertisingStartError' | 'servicesSetError', listener: (error: Error) => void): unknown
  removeListener(event: string, listener: (...parameters: never[]) => void): unknown
  /** Names longer than 29 bytes or outside of ASCII break it (ble.md §6.5). The callback is not called when it fails. */
  startAdvertising(name: string, serviceUuids: readonly string[], callback?: (error?: Error | null) => void): void
  /** Not on macOS. */
  startAdvertisingWithEIRData(advertisement: Buffer, scanResponse: Buffer, callback?: (error?: Error | null) => void): void
  stopAdvertising(callback?: () => void): void
  setServices(services: readonly unknown[], callback?: (error?: Error | null) => void): void
  /** Ends the connection given; without one, all there are. */
  disconnect(connection?: number): void
}

/** Result codes of requests (Core Specification, vol. 3, part F, §3.4.1.1). */
export const attResult = { success: 0x00, invalidOffset: 0x07, invalidAttributeLength: 0x0d, unlikelyError: 0x0e } as const

/** A characteristic as this package describes it; the families differ in what their handlers are given. */
export interface CharacteristicDescription {
  readonly uuid: string
  readonly properties: readonly string[]
  /** `connection` is undefined where the library serves one central at a time. */
  readonly onRead?: (connection: number | undefined, offset: number, reply: (result: number, value?: Buffer) => void) => void
  readonly onWrite?: (
    connection: number | undefined,
    data: Buffer,
    offset: number,
    withoutResponse: boolean,
    reply: (result: number) => void
  ) => void
  /** A central wants notifications of at most `maxValueSize` bytes, which `notify` sends. */
  readonly onSubscribe?: (connection: number | undefined, maxValueSize: number, notify: (value: Buffer) => void) => void
  readonly onUnsubscribe?: (connection: number | undefined) => void
  /** A notification was handed to the controller. */
  readonly onNotify?: (connection: number | undefined) => void
}

/** A private instance of bleno. */
export interface LoadedBleno {
  /** For people and logs: `@abandonware/bleno`. */
  readonly name: string
  readonly bleno: BlenoLike
  /** It serves several centrals at a time, and tells them apart (ble.md §6.4). */
  readonly manyCentrals: boolean
  /** Makes a service of this instance, for `setServices`. UUIDs with or without dashes. */
  service(uuid: string, characteristics: readonly CharacteristicDescription[]): unknown
  /** Makes the library take its adapter; its state changes are told from then on. To be called once. @throws as {@link loadPlatformBleno} */
  start(): void
  /** Ends the instance: no timer, no listener and no link is left. Idempotent. */
  release(): void
}
