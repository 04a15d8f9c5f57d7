import type { Clock, Logger } from '@kithmesh/core/plugin'
import { type KithmeshError, errorCode } from '@kithmesh/core/plugin'
import type { DocumentEvent } from '@kithmesh/replicator'
import { meshErrors } from '../errors.ts'
import type { Offence } from '../topology/offences.ts'
import type { Quarantine, QuarantinedDevice } from '../topology/quarantine.ts'

/** Errors of documents for which only their sender can be blamed. */
const poison: ReadonlySet<string> = new Set([
  'ERR_REPL_DOC_INVALID',
  'ERR_REPL_DOC_TOO_LARGE',
  'ERR_REPL_DELTA_MALFORMED',
  'ERR_REPL_DELTA_LIMIT'
])

/** Ends of connections that only the other side's bytes can have brought about. */
const malformed: ReadonlySet<string> = new Set([
  'ERR_REPL_BAD_MESSAGE',
  'ERR_BLIP_FRAME',
  'ERR_BLIP_CHECKSUM',
  'ERR_BLIP_COMPRESSION',
  'ERR_BLIP_PROPERTIES',
  'ERR_BLIP_TRUNCATED',
  'ERR_BLIP_NUMBER',
  'ERR_BLIP_LIMIT'
])

export interface DisciplineEvents {
  /** Every link with the device has to end, until then. */
  quarantined(device: QuarantinedDevice, error: KithmeshError): void
}

/** Counts what devices do wrong, each against its own budget, and has those kept away that exceed it. */
export class Discipline {
  readonly #quarantine: Quarantine
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #events: DisciplineEvents

  constructor(quarantine: Quarantine, clock: Clock, logger: Logger, events: DisciplineEvents) {
    this.#quarantine = quarantine
    this.#clock = clock
    this.#logger = logger
    this.#events = events
  }

  /** Why the device is kept away, if it is. */
  of(peerId: string): KithmeshError | undefined {
    const device = this.#quarantine.of(peerId, this.#clock.monotonic())
    return device === undefined ? undefined : quarantineError(device)
  }

  offended(offence: Offence): void {
    this.#logger.info('a device did wrong', { ...offence })
    const device = this.#quarantine.offended(offence, this.#clock.monotonic())
    if (device === undefined) return
    const error = quarantineError(device)
    this.#logger.warn('a device is kept away for a while', { device: device.id, error })
    this.#events.quarantined(device, error)
  }

  /** How documents fared over a link. */
  documents(peerId: string, events: readonly DocumentEvent[]): void {
    for (const { direction, error, id } of events) {
      if (error === undefined || direction !== 'pull' || !poison.has(error.code)) continue
      this.offended({ id: peerId, kind: 'poison', detail: `document ${id.slice(0, 100)}: ${error.code}` })
    }
  }

  /** A connection ended by itself. */
  ended(peerId: string, error: Error | undefined): void {
    if (errorCode(error) === 'ERR_CHANNEL_TIMEOUT') this.offended({ id: peerId, kind: 'handshake', detail: 'it did not say hello' })
    const nonsense = causeAmong(malformed, error)
    if (nonsense !== undefined) this.offended({ id: peerId, kind: 'malformed', detail: nonsense.message })
  }
}

/** The outermost of an error and its causes that has one of the codes. */
function causeAmong(codes: ReadonlySet<string>, error: Error | undefined): Error | undefined {
  let at: unknown = error
  for (let depth = 0; depth < 5 && at instanceof Error; depth++) {
    const code = errorCode(at)
    if (code !== undefined && codes.has(code)) return at
    at = at.cause
  }
  return undefined
}

function quarantineError({ kind, detail, times }: QuarantinedDevice): KithmeshError {
  return meshErrors.create('ERR_MESH_QUARANTINED', `The device is kept away for a while (${kind}): ${detail}`, {
    details: { kind, detail, times }
  })
}
