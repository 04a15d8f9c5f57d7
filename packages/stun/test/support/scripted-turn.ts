import type { TlsOptions } from 'node:tls'
import { decodeMessage, longTermKey, verifyIntegrity, type IntegrityKey, type StunAttributes, type StunMethod } from '@kithmesh/stun'
import { tcpServer, udpServer, type Incoming, type ScriptedServer } from './scripted-server.ts'

export const username = 'user'
export const credential = 'secret'
const realm = 'scripted'

/** A TURN server that grants everything to one user, except what the test says. Nothing is relayed. */
export interface ScriptedTurn extends AsyncDisposable {
  readonly server: ScriptedServer
  readonly uri: string
  nonce: string
  /** Asked first; true means that the request is dealt with. Sees only requests with good credentials. */
  before: (incoming: Incoming) => boolean
  readonly relayed: { readonly address: string; readonly port: number }
  readonly key: IntegrityKey
  /** A success response with integrity. */
  grant(incoming: Incoming, attributes?: StunAttributes): void
  refuse(incoming: Incoming, code: number, attributes?: StunAttributes): void
  /** Requests of a method that had good credentials. */
  count(method: StunMethod): number
}

export async function scriptedTurn(transport: 'udp' | 'tcp', tls?: TlsOptions): Promise<ScriptedTurn> {
  const key: IntegrityKey = { algorithm: 'sha1', key: longTermKey(username, realm, credential) }
  const counts = new Map<StunMethod, number>()
  const relayed = { address: '127.0.0.1', port: 55_555 }
  const handle = (incoming: Incoming): void => {
    const { message, from } = incoming
    if (message === undefined || message.messageClass !== 'request') return
    if (!verifyIntegrity(message, key)) {
      incoming.error(401, { realm, nonce: turn.nonce })
      return
    }
    if (message.attributes.nonce !== turn.nonce) {
      incoming.error(438, { realm, nonce: turn.nonce })
      return
    }
    counts.set(message.method, turn.count(message.method) + 1)
    if (turn.before(incoming)) return
    if (message.method === 'allocate') turn.grant(incoming, { xorRelayedAddress: relayed, xorMappedAddress: from, lifetime: 600 })
    else if (message.method === 'refresh') turn.grant(incoming, { lifetime: message.attributes.lifetime ?? 600 })
    else turn.grant(incoming)
  }
  const server = transport === 'udp' ? await udpServer(handle) : await tcpServer(handle, tls)
  const turn: ScriptedTurn = {
    server,
    uri: tls === undefined ? `turn:127.0.0.1:${server.address.port}?transport=${transport}` : `turns:127.0.0.1:${server.address.port}`,
    nonce: 'first',
    before: () => false,
    relayed,
    key,
    grant: (incoming, attributes) => {
      incoming.success(attributes, { integrity: key })
    },
    refuse: (incoming, code, attributes) => {
      incoming.error(code, attributes, { integrity: key })
    },
    count: (method) => counts.get(method) ?? 0,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]()
  }
  return turn
}

/** What a server received, decoded: requests and indications of a method. */
export function receivedOf(turn: ScriptedTurn, method: StunMethod): readonly StunAttributes[] {
  return turn.server.received.flatMap(({ bytes, message }) => (message?.method === method ? [decodeMessage(bytes).attributes] : []))
}
