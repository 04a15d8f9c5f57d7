import { isIP } from 'node:net'
import type { SignalingBody } from '@kithmesh/core'
import { isInteger, malformed, readBehaviour } from './behaviour-form.ts'
import type { Endpoint, PunchCandidate } from './candidate.ts'
import { MAX_PAIRS } from './route-pairs.ts'

/** The signalling kind of offers, answers and cancellations: `INITIAL_MAPPINGS` of seed 002, whose answer is its `UPDATED_MAPPINGS`. */
export const MAPPINGS_KIND = 'initial-mappings'

/** The network clock of a device at a moment. */
export interface ClockReading {
  /** Wall-clock milliseconds, corrected. */
  readonly at: number
  readonly uncertaintyMs: number
}

/** What the side that wants a connection sends. */
export interface PunchOffer {
  /** 12 random bytes; names the attempt. */
  readonly attempt: Buffer
  /** 32 random bytes. With that of the answer it makes the key that proves who is at the other end of a hole. */
  readonly secret: Buffer
  /** When it was sent; undefined when the device's clock is not synchronised. */
  readonly clock: ClockReading | undefined
  /** Whether the device would itself take part in an attempt of ours; for when both call at once. */
  readonly listens: boolean
  readonly candidates: readonly PunchCandidate[]
}

/** What the other side answers, for those of the pairs that it takes part in. */
export interface PunchAnswer {
  readonly attempt: Buffer
  readonly secret: Buffer
  readonly clock: ClockReading | undefined
  /** Milliseconds between the offer's arrival and the sending of the answer. */
  readonly heldMs: number
  /** Milliseconds from the sending of the answer until both begin. */
  readonly startInMs: number
  /** Milliseconds by which a side whose router changes ports begins later. */
  readonly secondAfterMs: number
  readonly candidates: readonly PunchCandidate[]
}

export type PunchRequest = { readonly offer: PunchOffer } | { readonly cancel: Buffer }

const VERSION = 1
const PROTOCOL = 'tcp'
const ATTEMPT_BYTES = 12
const SECRET_BYTES = 32
/** Nobody has to wait longer for the beginning than this, whatever a peer says. */
export const MAX_START_MS = 3_000
export const MAX_SECOND_MS = 1_000
const MAX_HELD_MS = 60_000
const MAX_UNCERTAINTY_MS = 60_000
const LOWEST_PORT = 1_024
/** At most three interfaces are described (seed 002). */
const MAX_INTERFACE = 2

export function writeOffer({ attempt, secret, clock, listens, candidates }: PunchOffer): SignalingBody {
  return {
    version: VERSION,
    protocol: PROTOCOL,
    attempt: attempt.toString('base64url'),
    secret: secret.toString('base64url'),
    ...(clock === undefined ? {} : { clock }),
    listens,
    candidates: candidates.map(writeCandidate)
  }
}

export function writeCancel(attempt: Buffer): SignalingBody {
  return { version: VERSION, protocol: PROTOCOL, cancel: attempt.toString('base64url') }
}

export function writeAnswer(answer: PunchAnswer): SignalingBody {
  const { attempt, secret, clock, heldMs, startInMs, secondAfterMs, candidates } = answer
  return {
    version: VERSION,
    attempt: attempt.toString('base64url'),
    secret: secret.toString('base64url'),
    ...(clock === undefined ? {} : { clock }),
    heldMs: Math.round(heldMs),
    startInMs: Math.round(startInMs),
    secondAfterMs: Math.round(secondAfterMs),
    candidates: candidates.map(writeCandidate)
  }
}

/** @throws ERR_PUNCH_MESSAGE */
export function readRequest(body: SignalingBody): PunchRequest {
  checkVersion(body)
  if (body.protocol !== PROTOCOL) throw malformed('a protocol')
  if (body.cancel !== undefined) return { cancel: readBytes(body.cancel, ATTEMPT_BYTES, 'an attempt') }
  if (typeof body.listens !== 'boolean') throw malformed('an offer')
  return {
    offer: {
      attempt: readBytes(body.attempt, ATTEMPT_BYTES, 'an attempt'),
      secret: readBytes(body.secret, SECRET_BYTES, 'a secret'),
      clock: readClock(body.clock),
      listens: body.listens,
      candidates: readCandidates(body.candidates)
    }
  }
}

/** Reads the answer to an offer. @throws ERR_PUNCH_MESSAGE, also for candidates of pairs that were not offered */
export function readAnswer(body: SignalingBody, offer: PunchOffer): PunchAnswer {
  checkVersion(body)
  const attempt = readBytes(body.attempt, ATTEMPT_BYTES, 'an attempt')
  if (!attempt.equals(offer.attempt)) throw malformed('an answer to another attempt')
  const { heldMs, startInMs, secondAfterMs } = body
  if (!isInteger(heldMs, 0, MAX_HELD_MS)) throw malformed('a time')
  if (!isInteger(startInMs, 0, MAX_START_MS)) throw malformed('a start')
  if (!isInteger(secondAfterMs, 0, MAX_SECOND_MS)) throw malformed('a start')
  const candidates = readCandidates(body.candidates)
  if (candidates.some(({ pair, family }) => offer.candidates.find((each) => each.pair === pair)?.family !== family))
    throw malformed('a candidate that was not asked for')
  return {
    attempt,
    secret: readBytes(body.secret, SECRET_BYTES, 'a secret'),
    clock: readClock(body.clock),
    heldMs,
    startInMs,
    secondAfterMs,
    candidates
  }
}

function writeCandidate({ pair, local, mapped, behaviour, towards }: PunchCandidate): SignalingBody {
  return { pair, local, ...(mapped === undefined ? {} : { mapped }), behaviour, ...(towards === undefined ? {} : { towards }) }
}

function readCandidates(value: unknown): readonly PunchCandidate[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_PAIRS) throw malformed('a number of candidates')
  const candidates = value.map(readCandidate)
  if (new Set(candidates.map(({ pair }) => pair)).size !== candidates.length) throw malformed('a candidate twice')
  return candidates
}

function readCandidate(value: unknown): PunchCandidate {
  if (typeof value !== 'object' || value === null) throw malformed('a candidate')
  const { pair, local, mapped, behaviour, towards } = value as Record<string, unknown>
  if (!isInteger(pair, 0, MAX_PAIRS - 1)) throw malformed('a pair')
  const here = readEndpoint(local)
  const there = mapped === undefined ? undefined : readEndpoint(mapped)
  const family = isIP(here.address) as 4 | 6
  if (there !== undefined && isIP(there.address) !== family) throw malformed('addresses of two families')
  if (towards !== undefined && !isInteger(towards, 0, MAX_INTERFACE)) throw malformed('an interface')
  return {
    pair,
    family,
    local: here,
    mapped: there,
    behaviour: readBehaviour(behaviour),
    ...(towards === undefined ? {} : { towards })
  }
}

function readEndpoint(value: unknown): Endpoint {
  if (typeof value !== 'object' || value === null) throw malformed('an address')
  const { address, port } = value as Record<string, unknown>
  if (typeof address !== 'string' || address.includes('%') || isIP(address) === 0) throw malformed('an address')
  if (!isInteger(port, LOWEST_PORT, 65_535)) throw malformed('a port')
  return { address, port }
}

function readClock(value: unknown): ClockReading | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null) throw malformed('a time')
  const { at, uncertaintyMs } = value as Record<string, unknown>
  if (typeof at !== 'number' || !Number.isFinite(at) || Math.abs(at) > 1e14) throw malformed('a time')
  if (typeof uncertaintyMs !== 'number' || !(uncertaintyMs >= 0 && uncertaintyMs <= MAX_UNCERTAINTY_MS)) throw malformed('a time')
  return { at, uncertaintyMs }
}

function readBytes(value: unknown, length: number, what: string): Buffer {
  if (typeof value !== 'string' || value.length > 64 || !/^[\w-]+$/.test(value)) throw malformed(what)
  const bytes = Buffer.from(value, 'base64url')
  if (bytes.length !== length) throw malformed(what)
  return bytes
}

function checkVersion(body: SignalingBody): void {
  if (body.version !== VERSION) throw malformed('a version')
}
