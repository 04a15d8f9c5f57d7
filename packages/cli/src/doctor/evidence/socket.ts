import { createSocket } from 'node:dgram'
import { errorCode } from '@kithmesh/core'

/** Why a port could not be opened. */
export interface PortRefusal {
  readonly family: 4 | 6
  readonly code: string
}

/** Opens a UDP port for a moment, beside whoever shares it, and sends nothing. Why that did not work; undefined when it did. */
export function refusalOfPort(port: number, family: 4 | 6): Promise<PortRefusal | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6', reuseAddr: true, ipv6Only: family === 6 })
    const end = (refused: PortRefusal | undefined): void => {
      socket.removeAllListeners()
      socket.on('error', () => {})
      try {
        socket.close()
      } catch {
        /* it never opened */
      }
      resolve(refused)
    }
    socket.once('error', (error) => {
      const code = errorCode(error) ?? error.name
      // A machine without IPv6 is nobody's fault.
      end(family === 6 && ['EAFNOSUPPORT', 'EADDRNOTAVAIL'].includes(code) ? undefined : { family, code })
    })
    socket.bind({ port, exclusive: true }, () => {
      end(undefined)
    })
  })
}
