import { errorCode } from '@kithmesh/core'
import type { BrokerProbe } from '@kithmesh/provider-mqtt'
import type { TurnProbe } from '@kithmesh/transport-turn'
import { explain } from '../failure.ts'
import type { StunServerEvidence } from './evidence/stun-server.ts'
import { type Finding, duration, failed, note, ok, problem, warning } from './finding.ts'

const PRIVATE = /^(10\.|127\.|169\.254\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.)|^f[cde]|^::1$/i

/** Whether a STUN server serves for hole punching. Pure. */
export function judgeStunServer({ server, answers, error }: StunServerEvidence): Finding {
  const check = `stun ${server}`
  if (error !== undefined) return failed(check, error)
  const said = answers.map(({ transport, result, error: why }) =>
    result === undefined
      ? `${transport}: ${explain(why).message}`
      : `${transport}: ${duration(result.roundTripMs)}, sees ${result.mapped.address}:${result.mapped.port}`
  )
  const text = said.join('; ')
  const answered = answers.filter(({ result }) => result !== undefined).map(({ transport }) => transport)
  const [first] = answers
  if (answered.length === 0) return { ...failed(check, first?.error), message: text }
  if (answers.length === answered.length) return ok(check, text)
  return answered.includes('UDP')
    ? warning(
        check,
        text,
        'Holes are punched by TCP: use a server that answers over TCP, too, and see that TCP port 3478 is open outwards.'
      )
    : note(check, text, 'UDP may be blocked on the way, or the server does not answer it; TCP is what hole punching needs.')
}

/** Whether a broker serves for meeting others there. Pure. */
export function judgeBroker({ id, url, login, protocolVersion, connectMs, roundTripMs, failure }: BrokerProbe): Finding {
  const check = `broker ${id}`
  if (failure === undefined) {
    const version = protocolVersion === 5 ? 'MQTT 5' : 'MQTT 3.1.1'
    const text = `${login ? 'login accepted' : 'connected without a login'} in ${duration(connectMs ?? 0)}, a message came back in ${duration(roundTripMs ?? 0)}, ${version}`
    return /^(mqtt|ws):/.test(url)
      ? note(check, text, 'The way to it is not encrypted, the password included: use mqtts: or wss: where the broker has it.')
      : ok(check, text)
  }
  const { step, error } = failure
  const code = errorCode(error)
  const { message, hint } = explain(error)
  const advice =
    step === 'subscribe' || step === 'receive'
      ? `Its access list has to let this user read kithmesh/#: subscriptions are refused or get nothing.`
      : step === 'publish'
        ? 'Its access list has to let this user write kithmesh/#.'
        : code === 'ERR_MQTT_REFUSED' && !login
          ? 'It wants a login: mqtts://user:password@host.'
          : code === 'ERR_MQTT_CONNECT'
            ? connectHint(error, hint)
            : hint
  return { check, state: 'problem', message, hint: advice, ...(code !== undefined && { code }) }
}

/** What the operating system or TLS says is more to the point than the hint of the outer error. */
function connectHint(error: Error, otherwise: string): string {
  const code = errorCode(error.cause)
  if (code === 'ECONNREFUSED') return 'Nothing listens there: check host and port, and that the broker runs.'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return 'The host name is not known: check its spelling, and the name server of this machine.'
  const { hint } = explain(error.cause)
  return hint === '' ? otherwise : hint
}

/** Whether a TURN server gives relays, of which kinds, and where. Pure. @param server as it was named */
export function judgeTurnServer(server: string, probes: readonly TurnProbe[]): Finding {
  const check = `turn ${server}`
  const made = probes.flatMap(({ relayed, relay, transport, elapsedMs }) =>
    relayed === undefined ? [] : [{ relayed, relay, transport, elapsedMs }]
  )
  const [best] = made
  const first = probes.find(({ error }) => error !== undefined)
  if (best === undefined) {
    if (first === undefined) return problem(check, 'no answer', 'Check the URL, and that the server runs and can be reached from here.')
    const others = new Set(probes.map(({ transport, error }) => `${transport.toUpperCase()}: ${explain(error).message}`))
    return { ...failed(check, telling(probes) ?? first.error), message: [...others].join('; ') }
  }
  const kinds = made.map(
    ({ relay, transport, elapsedMs }) => `for ${relay.toUpperCase()} over ${transport.toUpperCase()} in ${duration(elapsedMs)}`
  )
  const text = `login accepted, relays on ${best.relayed.address} ${kinds.join(', ')}`
  const hidden =
    PRIVATE.test(best.relayed.address) && !PRIVATE.test(probes.find(({ mapped }) => mapped !== undefined)?.mapped?.address ?? '')
  if (hidden)
    return warning(
      check,
      text,
      'Its relays have a private address, where nobody outside gets to: tell the server its public one (coturn: --external-ip).'
    )
  const silent = probes.filter(({ error }) =>
    ['ERR_STUN_CONNECT', 'ERR_STUN_TIMEOUT', 'ERR_STUN_UNREACHABLE'].includes(errorCode(error) ?? '')
  )
  if (silent.length > 0) {
    const which = silent.map(({ transport, error }) => `${transport.toUpperCase()}: ${explain(error).message}`)
    return note(
      check,
      `${text}; ${which.join('; ')}`,
      'One transport is blocked on the way, or the server does not listen to it; the other one serves.'
    )
  }
  if (!made.some(({ relay }) => relay === 'tcp') && first !== undefined)
    return note(check, `${text}; none for TCP`, 'TCP relays (RFC 6062) are quicker: coturn has them unless it is run with --no-tcp-relay.')
  return ok(check, text)
}

/** Of several failures the one that says most: a refusal tells more than silence. */
function telling(probes: readonly TurnProbe[]): Error | undefined {
  return probes.find(({ error }) => error !== undefined && !['ERR_STUN_CONNECT', 'ERR_STUN_TIMEOUT'].includes(errorCode(error) ?? ''))
    ?.error
}
