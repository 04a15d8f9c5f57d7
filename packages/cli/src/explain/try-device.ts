import type { Connection, ConnectionReport, Device, PeerDiscovery } from '@kithmesh/core'
import { errorCode, systemClock } from '@kithmesh/core'
import { isKithmeshError, isPeerId } from '@kithmesh/core/plugin'
import { type Authenticator, type Identity, type PeerCertificate, insecureAcceptAnyone, secureClient } from '@kithmesh/identity'
import { openWebSocket } from '@kithmesh/websocket'

/** What came of connecting to a device, without replicating anything. */
export interface Trial {
  readonly peerId: string
  readonly name: string
  /** There is a stream to it, and by TLS it proved to be the one. */
  readonly connected: boolean
  readonly route: string | undefined
  readonly report: ConnectionReport | undefined
  readonly identity: Verdict
  /** Whether this side accepts the device. */
  readonly here: Verdict
  /** Whether the device accepts this side. */
  readonly there: Verdict
}

/** `unknown`: it was not asked, or could not be. */
export interface Verdict {
  readonly state: 'yes' | 'no' | 'proof' | 'unknown'
  readonly reason?: string
  readonly code?: string
  readonly hint?: string
}

export interface TryDeviceOptions {
  readonly discovery: PeerDiscovery
  readonly identity: Identity
  /** Who this side accepts; undefined when that is not asked. */
  readonly authenticator: Authenticator | undefined
  /** For the race of all routes, milliseconds. */
  readonly deadlineMs: number
  readonly signal: AbortSignal
}

const UNKNOWN: Verdict = { state: 'unknown' }
const SECURE_MS = 10_000

/**
 * Connects to a device by the race of all routes, has it prove who it is by TLS, and asks for a database that nobody has: the answer tells whether it accepts
 * this side, and the connection ends with it.
 * @throws the signal's reason
 */
export async function tryDevice(
  device: Device,
  { discovery, identity, authenticator, deadlineMs, signal }: TryDeviceOptions
): Promise<Trial> {
  const { id, displayName: name } = device
  const none: Trial = {
    peerId: id,
    name,
    connected: false,
    route: undefined,
    report: undefined,
    identity: UNKNOWN,
    here: UNKNOWN,
    there: UNKNOWN
  }
  let connection: Connection
  try {
    connection = await discovery.connect(device, { signal, deadlineMs })
  } catch (error) {
    signal.throwIfAborted()
    const report = discovery.explain(device)
    return { ...none, report, ...(report === undefined && { identity: refusalOf(error) }) }
  }
  const { socket, route, report } = connection
  const limit = AbortSignal.any([signal, systemClock.timeout(SECURE_MS, 'TLS with the device')])
  try {
    let certificate: PeerCertificate | undefined
    const { stream } = await secureClient(socket, {
      identity,
      authenticator: {
        ...insecureAcceptAnyone(),
        check: (peer) => {
          certificate = peer
          return true
        }
      },
      signal: limit,
      ...(isPeerId(id) ? { expectedPeerId: id } : {})
    })
    const peerId = certificate?.peerId ?? id
    const here = authenticator === undefined || certificate === undefined ? UNKNOWN : await judged(authenticator, certificate)
    const there = await asked(stream, limit)
    stream.destroy()
    return { ...none, peerId, connected: true, route, report, identity: { state: 'yes' }, here, there }
  } catch (error) {
    signal.throwIfAborted()
    socket.destroy()
    return { ...none, route, report, identity: refusalOf(error) }
  }
}

async function judged(authenticator: Authenticator, certificate: PeerCertificate): Promise<Verdict> {
  try {
    const verdict = await authenticator.check(certificate)
    if (verdict === false) return { state: 'no', reason: `its id is not one of the accepted ones (${authenticator.name})` }
    return { state: verdict === true ? 'yes' : 'proof' }
  } catch (error) {
    return refusalOf(error)
  }
}

/** A mesh refuses whom it does not accept before it looks at what is asked for. */
async function asked(stream: Parameters<typeof openWebSocket>[0], signal: AbortSignal): Promise<Verdict> {
  try {
    const { socket } = await openWebSocket(stream, {
      url: 'wss://explain.kithmesh.invalid/_explain',
      protocols: ['kithmesh-explain'],
      signal
    })
    socket.terminate()
    return UNKNOWN
  } catch (error) {
    const status = isKithmeshError(error, 'ERR_WS_HTTP') ? error.details['status'] : undefined
    if (status === 403) return { state: 'no', reason: 'it does not accept the identity of this side' }
    // It may still ask for a proof, of a password for instance, once there is a connection to replicate over.
    return status === 404 ? { state: 'yes' } : refusalOf(error, 'unknown')
  }
}

function refusalOf(error: unknown, state: 'no' | 'unknown' = 'no'): Verdict {
  const code = errorCode(error)
  const hint = isKithmeshError(error) && error.hint !== '' ? error.hint : undefined
  return {
    state,
    reason: error instanceof Error ? error.message : String(error),
    ...(code !== undefined && { code }),
    ...(hint !== undefined && { hint })
  }
}
