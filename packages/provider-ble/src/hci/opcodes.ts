/** H4 packet types (Core Specification, vol. 4, part A, §2). */
export const PACKET = { command: 0x01, acl: 0x02, event: 0x04 } as const

/** Opcodes of the commands that the host itself sends, answers or looks into (vol. 4, part E, §7). */
export const OP = {
  disconnect: 0x0406,
  setEventMask: 0x0c01,
  reset: 0x0c03,
  readLeHostSupport: 0x0c6c,
  writeLeHostSupport: 0x0c6d,
  readLocalVersion: 0x1001,
  readBufferSize: 0x1005,
  readBdAddr: 0x1009,
  readRssi: 0x1405,
  leSetEventMask: 0x2001,
  leReadBufferSize: 0x2002,
  leReadLocalFeatures: 0x2003,
  leSetRandomAddress: 0x2005,
  leSetAdvertisingParameters: 0x2006,
  leSetAdvertisingData: 0x2008,
  leSetScanResponseData: 0x2009,
  leSetAdvertisingEnable: 0x200a,
  leSetScanParameters: 0x200b,
  leSetScanEnable: 0x200c,
  leCreateConnection: 0x200d,
  leCreateConnectionCancel: 0x200e,
  leConnectionUpdate: 0x2013,
  leReadRemoteFeatures: 0x2016,
  leStartEncryption: 0x2019,
  leLongTermKeyNegativeReply: 0x201b,
  leSetDataLength: 0x2022,
  leReadMaximumDataLength: 0x202f,
  leSetPhy: 0x2032
} as const

/** Event codes (vol. 4, part E, §7.7). */
export const EVENT = {
  disconnectionComplete: 0x05,
  encryptionChange: 0x08,
  commandComplete: 0x0e,
  commandStatus: 0x0f,
  hardwareError: 0x10,
  numberOfCompletedPackets: 0x13,
  dataBufferOverflow: 0x1a,
  encryptionKeyRefresh: 0x30,
  leMeta: 0x3e
} as const

/** Subevent codes of the LE Meta event (vol. 4, part E, §7.7.65). */
export const LE_EVENT = {
  connectionComplete: 0x01,
  advertisingReport: 0x02,
  connectionUpdateComplete: 0x03,
  readRemoteFeaturesComplete: 0x04,
  longTermKeyRequest: 0x05,
  dataLengthChange: 0x07,
  enhancedConnectionComplete: 0x0a,
  phyUpdateComplete: 0x0c
} as const

/** Status and reason codes (vol. 1, part F). */
export const STATUS = {
  success: 0x00,
  unknownCommand: 0x01,
  unknownConnection: 0x02,
  hardwareFailure: 0x03,
  memoryCapacityExceeded: 0x07,
  connectionTimeout: 0x08,
  connectionLimitExceeded: 0x09,
  connectionAlreadyExists: 0x0b,
  commandDisallowed: 0x0c,
  limitedResources: 0x0d,
  remoteUserTerminated: 0x13,
  lowResources: 0x14,
  localHostTerminated: 0x16
} as const

/** Channel ids of an LE link that are fixed (vol. 3, part A, §2.1), and the dynamic ones for LE. */
export const CID = { att: 0x0004, signalling: 0x0005, smp: 0x0006, firstDynamic: 0x0040, lastDynamic: 0x007f } as const

/** Codes of the signalling commands that stay with the libraries (vol. 3, part A, §4.20, §4.21). */
export const SIGNAL = { commandReject: 0x01, parameterUpdateRequest: 0x12, parameterUpdateResponse: 0x13 } as const
