import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { type Clock, errorCode, limitedSignal, whenOpen } from '@kithmesh/core/plugin'
import { bleErrors } from '../../errors.ts'

/** Where a controller is: at a TCP port, or at a Unix socket. */
export type H4Address = { readonly host: string; readonly port: number } | { readonly path: string }

/**
 * Connects to a controller behind a socket.
 * @throws ERR_BLE_NO_ADAPTER when nobody answers there, ERR_BLE_NOT_PERMITTED, ERR_BLE_ADAPTER_FAILED; the signal's reason
 */
export async function dial(
  address: H4Address,
  name: string,
  { signal, clock, deadlineMs }: { readonly signal: AbortSignal; readonly clock: Clock; readonly deadlineMs: number }
): Promise<Socket> {
  signal.throwIfAborted()
  const late = (): Error => bleErrors.create('ERR_BLE_NO_ADAPTER', `${name} did not answer within ${deadlineMs} ms`)
  const limit = limitedSignal(clock, deadlineMs, late, signal)
  const socket = 'path' in address ? connect({ path: address.path }) : connect({ host: address.host, port: address.port, noDelay: true })
  try {
    return await whenOpen(socket, limit.signal)
  } catch (error) {
    limit.signal.throwIfAborted()
    const code = errorCode(error)
    const refused = code === 'EACCES' || code === 'EPERM' ? 'ERR_BLE_NOT_PERMITTED' : 'ERR_BLE_NO_ADAPTER'
    throw bleErrors.create(refused, `There is no Bluetooth controller at ${name}: ${code ?? (error as Error).message}`, { cause: error })
  } finally {
    limit.release()
  }
}
