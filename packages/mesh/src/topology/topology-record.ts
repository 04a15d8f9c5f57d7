/** A device and its links, as it says itself: the link-state record that gossip spreads. Immutable, and shared by reference within a process. */
export interface TopologyRecord {
  /** Peer id of the device. */
  readonly id: string
  /** The short form under which other records name it. */
  readonly key: string
  /** When the device began to issue records, milliseconds since 1970 by its own clock; of two records the one of the later epoch counts. */
  readonly epoch: number
  /** Within an epoch the higher one counts. */
  readonly version: number
  /** Short forms of the devices it is linked with. */
  readonly neighbours: readonly string[]
  /** Bit n: it wants the link with neighbour n. */
  readonly wanted: number
  /** Number drawn by lot for the device, the same everywhere; ranks its links. */
  readonly lot: number
  /** Its text in messages. */
  readonly text: string
}

/** More links than any plan makes; a record with more is not well formed. */
export const mostNeighbours = 32
const keyDigits = 16
const lotDigits = 12
const lots = 2 ** (4 * lotDigits)
/** Epochs are below this. */
export const lastEpoch = 2 ** 45
const lastVersion = 2 ** 31

/**
 * Short form of a peer id, its first 64 bits. Nobody can make a second identity with the same (that takes 2^64 certificates), and records are a third as long.
 */
export function keyOf(id: string): string {
  return id.slice(0, keyDigits)
}

export function createRecord(id: string, epoch: number, version: number, neighbours: readonly string[], wanted: number): TopologyRecord {
  const text = JSON.stringify([id, epoch, version, neighbours, wanted])
  const lot = Number.parseInt(id.slice(-lotDigits), 16)
  return { id, key: keyOf(id), epoch, version, neighbours, wanted, lot, text }
}

/** Whether the first replaces the second. */
export function isNewer(record: TopologyRecord, than: TopologyRecord): boolean {
  return record.epoch > than.epoch || (record.epoch === than.epoch && record.version > than.version)
}

/** The number after that of a record, for who has to outbid it; undefined when there is none. */
export function nextNumber({
  epoch,
  version
}: {
  readonly epoch: number
  readonly version: number
}): { epoch: number; version: number } | undefined {
  if (version + 1 < lastVersion) return { epoch, version: version + 1 }
  return epoch + 1 < lastEpoch ? { epoch: epoch + 1, version: 1 } : undefined
}

/** A number from 0 to 1 for each pair of devices, the same everywhere. */
export function linkRank(a: TopologyRecord, b: TopologyRecord): number {
  return ((a.lot + b.lot) % lots) / lots
}

/** Reads a record out of parsed JSON; undefined when it is not well formed. */
export function readRecord(value: unknown): TopologyRecord | undefined {
  if (!Array.isArray(value) || value.length !== 5) return undefined
  const [id, epoch, version, neighbours, wanted] = value as unknown[]
  if (typeof id !== 'string' || !/^[0-9a-f]{64}$/.test(id)) return undefined
  if (!isCount(epoch, lastEpoch) || !isCount(version, lastVersion) || !isCount(wanted, 2 ** mostNeighbours)) return undefined
  if (!Array.isArray(neighbours) || neighbours.length > mostNeighbours) return undefined
  const own = keyOf(id)
  for (const [index, neighbour] of (neighbours as unknown[]).entries()) {
    if (typeof neighbour !== 'string' || !/^[0-9a-f]{16}$/.test(neighbour) || neighbour === own || neighbours.indexOf(neighbour) !== index)
      return undefined
  }
  return createRecord(id, epoch, version, neighbours as string[], wanted)
}

function isCount(value: unknown, below: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < below
}
