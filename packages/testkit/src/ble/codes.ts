/** Error codes of controllers (Core Specification, vol. 1, part F, §1.3). */
export const Status = {
  success: 0x00,
  unknownCommand: 0x01,
  unknownConnection: 0x02,
  keyMissing: 0x06,
  supervisionTimeout: 0x08,
  connectionLimit: 0x09,
  connectionExists: 0x0b,
  disallowed: 0x0c,
  unsupported: 0x11,
  invalidParameters: 0x12,
  remoteTerminated: 0x13,
  localTerminated: 0x16,
  micFailure: 0x3d,
  establishmentFailed: 0x3e
} as const

/** Event codes (vol. 4, part E, §7.7). */
export const Event = {
  disconnectionComplete: 0x05,
  encryptionChange: 0x08,
  remoteVersion: 0x0c,
  commandComplete: 0x0e,
  commandStatus: 0x0f,
  completedPackets: 0x13,
  bufferOverflow: 0x1a,
  leMeta: 0x3e
} as const

/** Subevent codes of the LE Meta event (vol. 4, part E, §7.7.65). */
export const LeEvent = {
  connectionComplete: 0x01,
  advertisingReport: 0x02,
  connectionUpdate: 0x03,
  remoteFeatures: 0x04,
  longTermKeyRequest: 0x05,
  dataLengthChange: 0x07,
  phyUpdate: 0x0c
} as const

/** Types of advertising PDUs as Set Advertising Parameters and Advertising Report number them; a scan response exists in reports only. */
export const AdvertisingType = { connectable: 0, scannable: 2, plain: 3, scanResponse: 4 } as const

/** H4 packet types (vol. 4, part A, §2). */
export const H4 = { command: 0x01, acl: 0x02, event: 0x04 } as const

/** Reasons a host may give for a disconnection (vol. 4, part E, §7.1.6). */
export const disconnectReasons: ReadonlySet<number> = new Set([0x05, 0x13, 0x14, 0x15, 0x1a, 0x29, 0x3b])

/** What a controller has of the features of the Link Layer (vol. 6, part B, §4.6): encryption, data length extension, 2M PHY. */
export const LE_FEATURES = Buffer.from([0x21, 0x01, 0, 0, 0, 0, 0, 0])

/** Octets of a data PDU without and with the data length extension, and the time it takes on the 1M PHY in microseconds (vol. 6, part B, §4.5.10). */
export const DataLength = { least: 27, most: 251, leastTime: 328, mostTime: 2120 } as const

/** Version and company that a virtual controller reports: 5.0, and the number that is nobody's. */
export const VERSION = { hci: 0x09, link: 0x09, company: 0xffff } as const
