import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { Clock } from '@kithmesh/core'
import { errorCode } from '@kithmesh/core'
import { unlessAborted } from '@kithmesh/core/plugin'
import { encodeRequest, originOf, parseReply } from './ntp-packet.ts'
import { sampleOf } from './selection.ts'
import type { Sample } from './selection.ts'
import type { NtpServer } from './server-name.ts'

/** Between two requests to one server, milliseconds; a burst, but not a flood. */
const SPACING_MS = 100
/** Of the addresses of one host name, this many are tried. */
const MAX_ADDRESSES = 4

export interface QueryOptions {
  /** How many exchanges to make. */
  readonly samples: number
  /** Ends the query, which then tells what it has. */
  readonly signal: AbortSignal
  readonly clock: Clock
  /** Milliseconds since 1970 that never jump while measuring. */
  readonly localTime: () => number
  /** Where packets come from; undefined lets the machine choose. */
  readonly localAddress: string | undefined
}

/** What one server told. Never an error: a server that does not answer is a fact. */
export interface QueryResult {
  readonly address: string | undefined
  readonly samples: readonly Sample[]
  /** The four letters of a refusal. */
  readonly kiss: string | undefined
  /** Why there are fewer samples than asked for. */
  readonly reason: string | undefined
}

/** Asks one server several times, in a burst. Settles when all answers are there, the server refuses, or the signal aborts. */
export async function queryServer(server: NtpServer, options: QueryOptions): Promise<QueryResult> {
  const resolved = await resolve(server, options)
  if (typeof resolved === 'string') return { address: undefined, samples: [], kiss: undefined, reason: resolved }
  let last: QueryResult = { address: undefined, samples: [], kiss: undefined, reason: `${server.host} has no address` }
  for (const { address, family } of resolved) {
    last = await exchange({ address, family, port: server.port }, options)
    if (last.samples.length > 0 || last.kiss !== undefined || options.signal.aborted) break
  }
  return last
}

interface Address {
  readonly address: string
  readonly family: number
}

async function resolve({ host }: NtpServer, { signal, localAddress }: QueryOptions): Promise<readonly Address[] | string> {
  const localFamily = localAddress === undefined ? 0 : isIP(localAddress)
  const usable = (all: readonly Address[]): readonly Address[] =>
    all.filter(({ family }) => localFamily === 0 || family === localFamily).slice(0, MAX_ADDRESSES)
  if (isIP(host) !== 0) return usable([{ address: host, family: isIP(host) }])
  try {
    return usable(await unlessAborted(signal, lookup(host, { all: true })))
  } catch (error) {
    return signal.aborted ? 'the name server did not answer in time' : `the name is not known (${errorCode(error) ?? String(error)})`
  }
}

/** One burst to one address, over a socket that receives from there alone. */
function exchange(to: Address & { readonly port: number }, options: QueryOptions): Promise<QueryResult> {
  const { clock, signal, localTime } = options
  return new Promise((resolve) => {
    const socket = createSocket(to.family === 6 ? 'udp6' : 'udp4')
    const outstanding = new Map<string, number>()
    const samples: Sample[] = []
    let sent = 0
    let answered = 0
    let discarded: string | undefined
    let cancelNext = (): void => {}
    let ended = false

    const finish = (reason: string | undefined, kiss?: string): void => {
      if (ended) return
      ended = true
      cancelNext()
      signal.removeEventListener('abort', onAbort)
      socket.close()
      resolve({ address: to.address, samples, kiss, reason })
    }
    const onAbort = (): void => {
      finish(discarded ?? (answered === 0 ? 'it did not answer in time' : `it answered ${answered} of ${sent} requests in time`))
    }
    const request = (): void => {
      const token = randomBytes(8)
      outstanding.set(token.toString('hex'), localTime())
      sent++
      socket.send(encodeRequest(token), (error) => {
        if (error !== null) finish(`the request could not be sent (${errorCode(error) ?? error.message})`)
      })
      if (sent < options.samples) cancelNext = clock.after(SPACING_MS, request)
    }
    const discard = (why: string): void => {
      discarded = `a reply was discarded: ${why}`
    }

    socket.on('message', (packet) => {
      const receivedAt = localTime()
      const origin = originOf(packet)
      const sentAt = origin === undefined ? undefined : outstanding.get(origin)
      const reply = parseReply(packet, receivedAt)
      if (reply.kind === 'invalid' && sentAt === undefined) {
        discard(reply.reason)
        return
      }
      if (origin === undefined || sentAt === undefined) {
        discard('it answers none of our requests')
        return
      }
      if (reply.kind === 'kiss-o-death') {
        finish(refusalOf(reply.code), reply.code)
        return
      }
      outstanding.delete(origin)
      answered++
      const sample = reply.kind === 'invalid' ? reply.reason : sampleOf(reply, sentAt, receivedAt)
      if (typeof sample === 'string') discard(sample)
      else samples.push(sample)
      if (answered === options.samples) finish(samples.length === answered ? undefined : discarded)
    })
    socket.on('error', (error) => {
      finish(errorCode(error) === 'ECONNREFUSED' ? 'nothing listens there' : `the socket failed (${errorCode(error) ?? error.message})`)
    })
    signal.addEventListener('abort', onAbort, { once: true })
    if (signal.aborted) {
      onAbort()
      return
    }
    socket.bind({ port: 0, ...(options.localAddress === undefined ? {} : { address: options.localAddress }) }, () => {
      if (!ended) socket.connect(to.port, to.address)
    })
    socket.on('connect', () => {
      if (!ended) request()
    })
  })
}

function refusalOf(code: string): string {
  if (code === 'RATE') return 'it says that it is asked too often (RATE)'
  if (code === 'DENY' || code === 'RSTR') return `it refuses to serve this machine (${code})`
  return `it refuses (${code})`
}
