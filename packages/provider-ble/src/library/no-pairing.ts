/** The security manager's channel and commands (Core Specification, vol. 3, part H, §3.3, §3.5). */
const SMP_CID = 0x0006
const PAIRING_REQUEST = 0x01
const PAIRING_FAILED = 0x05
const PAIRING_NOT_SUPPORTED = 0x05

/** One connection of bleno, of either family: one tells the connection before channel and data, the other does not. */
interface AclStream {
  on(event: 'data', listener: (...parameters: unknown[]) => void): unknown
  write(cid: number, data: Buffer): void
}

/**
 * Takes the place of bleno's security manager. Nothing here depends on pairing, keys could not be kept, and that of one family takes the
 * connection's handle for the channel: it throws at whatever comes over a connection whose handle happens to be 6.
 */
export class NoPairing {
  constructor(aclStream: AclStream) {
    aclStream.on('data', (...parameters) => {
      const [cid, data] = parameters.slice(-2) as [number, Buffer | undefined]
      if (cid === SMP_CID && data?.[0] === PAIRING_REQUEST) aclStream.write(SMP_CID, Buffer.of(PAIRING_FAILED, PAIRING_NOT_SUPPORTED))
    })
  }

  on(): this {
    return this
  }

  close(): void {}
}
