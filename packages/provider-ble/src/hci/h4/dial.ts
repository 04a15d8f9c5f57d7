import { connect } from 'node:net'
import type { Socket } from 'node:net'
import type { Clock } from '@kithmesh/core/plugin'
import { errorCode } from '@kithmesh/core/plugin'
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
  return await new Promise<Socket>((resolve, reject) => {
    const socket = 'path' in address ? connect({ path: address.path }) : connect({ host: address.host, port: address.port, noDelay: true })
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('error', onError)
    }
    const fail = (error: unknown): void => {
      end()
      // An error may still come of what was begun.
      socket.on('error', () => {})
      socket.destroy()
      reject(error as Error)
    }
    const onAbort = (): void => {
      fail(signal.reason)
    }
    const onError = (error: Error): void => {
      const code = errorCode(error)
      const refused = code === 'EACCES' || code === 'EPERM' ? 'ERR_BLE_NOT_PERMITTED' : 'ERR_BLE_NO_ADAPTER'
      fail(bleErrors.create(refused, `There is no Bluetooth controller at ${name}: ${code ?? error.message}`, { cause: error }))
    }
    const cancel = clock.after(deadlineMs, () => {
      fail(bleErrors.create('ERR_BLE_NO_ADAPTER', `${name} did not answer within ${deadlineMs} ms`))
    })
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', () => {
      end()
      resolve(socket)
    })
  })
}
