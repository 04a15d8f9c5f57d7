/** What is used of noble, which both families offer: the central's side. UUIDs are lowercase without dashes. */
export interface NobleLike {
  /** `unknown`, `resetting`, `unsupported`, `unauthorized`, `poweredOff` or `poweredOn`. */
  readonly state: string
  on(event: 'stateChange', listener: (state: string) => void): unknown
  on(event: 'discover', listener: (peripheral: PeripheralLike) => void): unknown
  on(event: 'scanStart' | 'scanStop', listener: () => void): unknown
  removeListener(event: string, listener: (...parameters: never[]) => void): unknown
  startScanning(serviceUuids: readonly string[], allowDuplicates: boolean, callback: (error?: Error | null) => void): void
  stopScanning(callback?: () => void): void
}

export interface PeripheralLike {
  /** The address in twelve hex digits, or a UUID without dashes on macOS. */
  readonly id: string
  readonly address: string
  readonly addressType: string
  readonly connectable: boolean | undefined
  readonly advertisement: AdvertisementLike
  readonly rssi: number
  /** Of the attribute protocol, once exchanged. */
  readonly mtu: number | null | undefined
  /** `disconnected`, `connecting`, `connected`, `disconnecting` or `error`; has to be set back by hand after failures (ble.md §6.8). */
  state: string
  on(event: 'connect', listener: (error?: Error | string | null) => void): unknown
  on(event: 'disconnect', listener: (reason?: unknown) => void): unknown
  removeListener(event: string, listener: (...parameters: never[]) => void): unknown
  /** Without a deadline of its own. The end of the attempt is told by the event, and only by it. */
  connect(parameters: ConnectionParameters): void
  disconnect(): void
  discoverServices(uuids: readonly string[], callback: (error: unknown, services?: readonly ServiceLike[]) => void): void
}

/** In the units of LE Create Connection (Core Specification, vol. 4, part E, §7.8.12). */
export interface ConnectionParameters {
  readonly minInterval?: number
  readonly maxInterval?: number
  readonly latency?: number
  /** Supervision timeout, 10 ms each. */
  readonly timeout?: number
}

export interface AdvertisementLike {
  readonly localName?: string | undefined
  readonly manufacturerData?: Buffer | undefined
  readonly serviceUuids?: readonly string[] | undefined
}

export interface ServiceLike {
  readonly uuid: string
  discoverCharacteristics(
    uuids: readonly string[],
    callback: (error: unknown, characteristics?: readonly CharacteristicLike[]) => void
  ): void
}

export interface CharacteristicLike {
  readonly uuid: string
  readonly properties: readonly string[]
  /** The whole value, by as many reads as it takes. Of an error the first family says nothing: the value is then empty, or cut. */
  read(callback: (error: unknown, value?: Buffer) => void): void
  write(data: Buffer, withoutResponse: boolean, callback?: (error?: unknown) => void): void
  subscribe(callback: (error?: unknown) => void): void
  unsubscribe(callback?: (error?: unknown) => void): void
  /** Values that were read, and notifications. */
  on(event: 'data', listener: (value: Buffer, isNotification: boolean) => void): unknown
  removeListener(event: string, listener: (...parameters: never[]) => void): unknown
}

/** A private instance of noble. */
export interface LoadedNoble {
  /** For people and logs: `@abandonware/noble`. */
  readonly name: string
  readonly noble: NobleLike
  /** Makes the library take its adapter; its state changes are told from then on. To be called once. @throws as {@link loadPlatformNoble} */
  start(): void
  /** Gives up a connection attempt; the library may still report its end, or not. */
  cancelConnect(id: string): void
  /** Whether an attempt is still in the hands of the controller, also one that was given up. False where that cannot be told. */
  attemptPending(): boolean
  /** Drops what the library remembers of a device, which it does for ever. Not while a link to it exists or is made. */
  forget(id: string): void
  /** Ends the instance: no timer, no listener and no link is left. Idempotent. */
  release(): void
}
