import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import {
  LongTermCredentials,
  PASSWORD_ALGORITHMS,
  authenticatedRequest,
  decodeMessage,
  encodeMessage,
  longTermKey,
  newTransactionId,
  userhash,
  verifyIntegrity,
  type StunAttributes,
  type StunRequest,
  type StunResponse
} from '@kithmesh/stun'
import { rejection } from '@kithmesh/testkit'

const md5 = { algorithm: PASSWORD_ALGORITHMS.md5, parameters: Buffer.alloc(0) }
const sha256 = { algorithm: PASSWORD_ALGORITHMS.sha256, parameters: Buffer.alloc(0) }
/** The nonce cookie with the bits for password algorithms and user name anonymity. */
const bothFeatures = `obMatJos2${Buffer.from([0xc0, 0, 0]).toString('base64')}rest`

function response(attributes: StunAttributes, messageClass: 'success' | 'error' = 'error'): StunResponse {
  const message = decodeMessage(encodeMessage({ method: 'allocate', messageClass, transactionId: newTransactionId(), attributes }))
  return { message, from: { address: '127.0.0.1', port: 1 }, roundTripMs: 1, transmissions: 1 }
}

/** Answers the requests one after the other, and keeps them. */
function scripted(...answers: readonly StunResponse[]): {
  readonly sent: StunRequest[]
  send(request: StunRequest): Promise<StunResponse>
} {
  const sent: StunRequest[] = []
  return {
    sent,
    send: async (request) => {
      sent.push(request)
      return answers[sent.length - 1]!
    }
  }
}

const unauthorized = (more: StunAttributes): StunResponse => response({ errorCode: { code: 401, reason: '' }, realm: 'lab', ...more })

describe('Long-term credentials', () => {
  const credentials = (): LongTermCredentials => new LongTermCredentials('user', 'secret')

  it('are sent when the server asks for them, and from then on', async () => {
    const { sent, send } = scripted(unauthorized({ nonce: 'n1' }), response({}, 'success'), response({}, 'success'))
    const own = credentials()
    await authenticatedRequest(send, own, { method: 'allocate', attributes: { lifetime: 1 } })
    await authenticatedRequest(send, own, { method: 'refresh' })
    expect(sent[0]).to.deep.equal({ method: 'allocate', attributes: { lifetime: 1 } })
    expect(sent[1]!.attributes).to.deep.equal({ lifetime: 1, username: 'user', realm: 'lab', nonce: 'n1' })
    expect(sent[1]!.integrity).to.deep.equal({ algorithm: 'sha1', key: longTermKey('user', 'lab', 'secret') })
    expect(sent[2]!.attributes).to.include({ nonce: 'n1' })
  })

  it('take the first password algorithm they know, hide the user name, and sign with SHA-256', async () => {
    const unknown = { algorithm: 9, parameters: Buffer.from([1, 2, 3]) }
    const passwordAlgorithms = [unknown, sha256, md5]
    const { sent, send } = scripted(unauthorized({ nonce: bothFeatures, passwordAlgorithms }), response({}, 'success'))
    await authenticatedRequest(send, credentials(), { method: 'allocate' })
    const request = sent[1]!
    expect(request.attributes).to.deep.equal({
      userhash: userhash('user', 'lab'),
      realm: 'lab',
      nonce: bothFeatures,
      passwordAlgorithms,
      passwordAlgorithm: sha256
    })
    const integrity = { algorithm: 'sha256', key: longTermKey('user', 'lab', 'secret', 'sha256') } as const
    const bytes = encodeMessage(
      { method: 'allocate', messageClass: 'request', transactionId: newTransactionId(), attributes: request.attributes! },
      { integrity: request.integrity }
    )
    expect(verifyIntegrity(decodeMessage(bytes), integrity)).to.equal(true)
  })

  it('are not sent when somebody took the algorithms out, or none is known', async () => {
    const stripped = scripted(unauthorized({ nonce: bothFeatures }))
    expect(errorCode(await rejection(authenticatedRequest(stripped.send, credentials(), { method: 'allocate' })))).to.equal(
      'ERR_STUN_INTEGRITY'
    )
    const strange = scripted(unauthorized({ nonce: bothFeatures, passwordAlgorithms: [{ algorithm: 7, parameters: Buffer.alloc(0) }] }))
    expect(errorCode(await rejection(authenticatedRequest(strange.send, credentials(), { method: 'allocate' })))).to.equal(
      'ERR_STUN_CREDENTIALS'
    )
    const empty = scripted(response({ errorCode: { code: 401, reason: '' } }))
    expect(errorCode(await rejection(authenticatedRequest(empty.send, credentials(), { method: 'allocate' })))).to.equal(
      'ERR_STUN_RESPONSE'
    )
    for (const { sent } of [stripped, strange, empty]) expect(sent).to.have.length(1)
  })

  it('that the server refuses are not tried again, and neither are nonces that are always stale', async () => {
    const refused = scripted(unauthorized({ nonce: 'n1' }), unauthorized({ nonce: 'n2' }))
    expect(errorCode(await rejection(authenticatedRequest(refused.send, credentials(), { method: 'allocate' })))).to.equal(
      'ERR_STUN_CREDENTIALS'
    )
    const stale = (nonce: string): StunResponse => response({ errorCode: { code: 438, reason: '' }, realm: 'lab', nonce })
    const always = scripted(unauthorized({ nonce: 'n1' }), stale('n2'), stale('n3'), stale('n4'))
    const last = await authenticatedRequest(always.send, credentials(), { method: 'allocate' })
    expect(last.message.attributes.errorCode?.code).to.equal(438)
    expect(always.sent.map(({ attributes }) => attributes?.nonce)).to.deep.equal([undefined, 'n1', 'n2', 'n3'])
  })
})
