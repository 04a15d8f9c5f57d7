import { stunErrors } from '../errors.ts'
import type { StunRequest, StunResponse } from '../transaction/request.ts'
import type { LongTermCredentials } from './long-term.ts'

/** Nonces that expire faster than they can be used are a server's mistake. */
const MAX_STALE = 2

/**
 * Sends a request with credentials: again with them when the server asks for them (401), and with a new nonce when the old one expired (438).
 * @returns the response, success or any other error.
 * @throws ERR_STUN_CREDENTIALS when the server refuses them, and what `send` and {@link LongTermCredentials.challenged} throw.
 */
export async function authenticatedRequest(
  send: (request: StunRequest) => Promise<StunResponse>,
  credentials: LongTermCredentials,
  request: StunRequest
): Promise<StunResponse> {
  for (let stale = 0; ; ) {
    const signed = credentials.sign(request)
    const response = await send(signed)
    const code = response.message.messageClass === 'error' ? response.message.attributes.errorCode?.code : undefined
    if (code === 401 && signed.integrity !== undefined)
      throw stunErrors.create('ERR_STUN_CREDENTIALS', `The server refused the password of "${credentials.username}"`, {
        details: { errorCode: 401, username: credentials.username, realm: response.message.attributes.realm }
      })
    if (code !== 401 && (code !== 438 || stale >= MAX_STALE)) return response
    if (code === 438) stale++
    credentials.challenged(response.message)
  }
}
