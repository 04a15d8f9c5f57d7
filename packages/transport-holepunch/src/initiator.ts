import { randomBytes } from 'node:crypto'
import { errorCode, isKithmeshError, type AttemptOptions, type ByteSocket, type ConnectTarget } from '@kithmesh/core'
import { punchErrors } from './errors.ts'
import { gather } from './gather.ts'
import { attemptKey } from './hello-frames.ts'
import { MAPPINGS_KIND, readAnswer, writeCancel, writeOffer, type PunchAnswer, type PunchOffer } from './messages.ts'
import { allowedPlans, readClock, type PunchParts } from './parts.ts'
import { planPunch } from './plan.ts'
import type { PunchCounts } from './puncher.ts'
import { punchRound } from './round.ts'
import { pairRoutes, type RoutePair } from './route-pairs.ts'
import { waitForStart } from './schedule.ts'

/** A failed round is repeated with fresh ports, and fresh guesses of where counters stand. */
const ROUNDS = 2
/** Where routers refuse or reject, it is a matter of chance which try succeeds: one side may be open while the other was told off. */
const ROUNDS_OF_REFUSALS = 3
/** A busy peer is asked again this often. */
const BUSY_RETRIES = 3
const BUSY_PAUSE_MS = 400
/** How long an attempt waits for others from the same address. */
const SLOT_MS = 20_000
/** For the other side's turn and its STUN servers, and the way there and back. */
const ANSWER_MS = 8_000
const CANCEL_MS = 2_000

/** Asks a device to punch with us, and does. @throws as `TransportStrategy.attempt`, with codes ERR_PUNCH_* and ERR_SIGNAL_* */
export async function initiate(target: ConnectTarget, options: AttemptOptions, parts: PunchParts): Promise<ByteSocket> {
  const { signal } = options
  const { context, random } = parts
  let busy = 0
  for (let round = 1; ; ) {
    try {
      return await onePass(target, choosePairs(target, parts), options, parts)
    } catch (error) {
      signal.throwIfAborted()
      const code = errorCode(error)
      if (code === 'ERR_PUNCH_BUSY' && busy < BUSY_RETRIES) busy++
      else if (code === 'ERR_PUNCH_NO_CONNECTION' && round < roundsAfter(error)) round++
      else throw error
      // Drawn anew each time, so that devices that wait for each other in a circle come apart.
      await context.clock.sleep((0.5 + random()) * BUSY_PAUSE_MS * (busy > 0 ? busy : 0.25), { signal })
    }
  }
}

function roundsAfter(error: unknown): number {
  const { dials, refused, unreachable, opened } = (error as { readonly details: PunchCounts }).details
  return refused + unreachable > dials / 2 || opened > 0 ? ROUNDS_OF_REFUSALS : ROUNDS
}

function choosePairs({ resolved }: ConnectTarget, { context }: PunchParts): readonly RoutePair[] {
  const routes = context.network.current.routes.filter(({ localAddress }) => !localAddress.includes('%'))
  const { pairs, impossible } = pairRoutes(routes, resolved.network?.routes ?? [])
  if (pairs.length > 0) return pairs
  if (impossible.length > 0) throw punchErrors.create('ERR_PUNCH_IMPOSSIBLE', impossible.join('; '))
  throw punchErrors.create('ERR_PUNCH_NO_ROUTE', 'The two devices have no address family in common')
}

async function onePass(
  { device }: ConnectTarget,
  pairs: readonly RoutePair[],
  { signal, progress }: AttemptOptions,
  parts: PunchParts
): Promise<ByteSocket> {
  const { context, slots, punchMs, random } = parts
  const { clock, localPeerId, logger } = context
  const addresses = pairs.map(({ mine }) => mine.localAddress)
  const release = await slots.acquire(addresses, { clock, signal, withinMs: SLOT_MS })
  let close = (): void => {}
  let offered: Buffer | undefined
  let unseen = false
  try {
    const routes = pairs.map(({ mine, theirs }, pair) => ({ route: mine, pair, towards: theirs.interfaceIndex }))
    const gathered = await gather(routes, parts, signal, progress)
    close = gathered.close
    unseen = gathered.candidates.every(({ mapped }) => mapped === undefined)
    const offer: PunchOffer = {
      attempt: randomBytes(12),
      secret: randomBytes(32),
      clock: readClock(parts),
      listens: parts.listens(),
      candidates: gathered.candidates
    }
    progress('signal')
    offered = offer.attempt
    const askedAt = clock.monotonic()
    const answer = await ask(device.id, offer, signal, parts)
    const elapsedMs = clock.monotonic() - askedAt
    const received = readClock(parts)
    const plans = allowedPlans(
      answer.candidates.flatMap((theirs) => {
        const mine = offer.candidates.find(({ pair }) => pair === theirs.pair)
        return mine === undefined ? [] : [planPunch(mine, theirs)]
      }),
      device.id,
      parts
    )
    const { socket } = await punchRound({
      plans,
      key: attemptKey(offer.attempt, { id: localPeerId, secret: offer.secret }, { id: device.id, secret: answer.secret }),
      role: 'initiator',
      clock,
      random,
      startInMs: waitForStart({ ...answer, sent: answer.clock }, received, elapsedMs),
      secondAfterMs: answer.secondAfterMs,
      punchMs,
      signal,
      progress
    })
    return socket
  } catch (error) {
    if (offered !== undefined) cancelAtPeer(device.id, offered, parts)
    logger.debug('a hole could not be punched', { peer: device.id, error })
    throw unseen && !signal.aborted ? withoutServers(error, parts) : error
  } finally {
    close()
    release()
  }
}

/** The other device refused local addresses, and nothing else could be offered: why that is so matters more. */
function withoutServers(error: unknown, { stun }: PunchParts): unknown {
  if (!isKithmeshError(error, 'ERR_PUNCH_REFUSED')) return error
  const { servers } = stun
  const why = servers.length === 0 ? 'No STUN server is named' : `No STUN server answered (${servers.join(', ')})`
  return punchErrors.create('ERR_PUNCH_STUN', `${why}: it is not known how this device looks from outside. ${error.message}`, {
    cause: error
  })
}

async function ask(peerId: string, offer: PunchOffer, signal: AbortSignal, { context }: PunchParts): Promise<PunchAnswer> {
  let body: Awaited<ReturnType<typeof context.signaling.request>>
  try {
    body = await context.signaling.request(peerId, MAPPINGS_KIND, writeOffer(offer), { signal, timeoutMs: ANSWER_MS })
  } catch (cause) {
    signal.throwIfAborted()
    if (isKithmeshError(cause, 'ERR_SIGNAL_REFUSED')) throw refusal(cause.details, cause)
    if (isKithmeshError(cause, 'ERR_SIGNAL_NO_ANSWER'))
      throw punchErrors.create('ERR_PUNCH_NO_ANSWER', `The other device did not answer the offer to punch within ${ANSWER_MS} ms`, {
        cause
      })
    throw cause
  }
  return readAnswer(body, offer)
}

/** What the other device refuses by is told as our own error, where the caller should know the difference. */
function refusal({ code, message }: Readonly<Record<string, unknown>>, cause: Error): Error {
  const why = typeof message === 'string' ? message : 'it gave no reason'
  const details = { code, message }
  switch (code) {
    case 'ERR_PUNCH_BUSY':
    case 'ERR_SIGNAL_BUSY':
      return punchErrors.create('ERR_PUNCH_BUSY', `The other device is busy: ${why}`, { cause, details })
    case 'ERR_PUNCH_GLARE':
    case 'ERR_PUNCH_IMPOSSIBLE':
    case 'ERR_PUNCH_NOT_LISTENING':
      return punchErrors.create(code, why, { cause, details })
    default:
      return punchErrors.create('ERR_PUNCH_REFUSED', `The other device does not take part: ${why}`, { cause, details })
  }
}

/** Lets the other device stop at once and turn to others. Best effort: it would find out by itself. */
function cancelAtPeer(peerId: string, attempt: Buffer, { context }: PunchParts): void {
  const signal = context.clock.timeout(CANCEL_MS, 'Cancelling')
  context.signaling.notify(peerId, MAPPINGS_KIND, writeCancel(attempt), { signal }).catch(() => {})
}
