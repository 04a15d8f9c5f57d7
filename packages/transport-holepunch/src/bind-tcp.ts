import { isIPv6 } from 'node:net'
import type { Clock, Logger } from '@kithmesh/core'
import { openStunTcp, parseStunUri, resolveServer } from '@kithmesh/stun'
import type { BindTcp } from './mapping.ts'

/** The STUN client of `@kithmesh/stun` as {@link BindTcp}: over plain TCP, or TLS for `stuns:`. */
export function bindTcp({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }): BindTcp {
  return async ({ server, localAddress, localPort, signal }) => {
    const { host, port, transport } = parseStunUri(server)
    // Before the first packet from the punch port, so that nothing comes between this mapping and the next one.
    const [address] = await resolveServer(host, port, { family: isIPv6(localAddress) ? 6 : 4, signal })
    const connection = await openStunTcp({
      server: address!,
      localAddress,
      localPort,
      clock,
      logger,
      signal,
      ...(transport === 'tls' ? { tls: { host } } : {})
    })
    const close = (): void => {
      connection.close().catch(() => {})
    }
    try {
      const { mapped } = await connection.bind({ signal })
      return { address: mapped.address, port: mapped.port, close }
    } catch (error) {
      close()
      throw error
    }
  }
}
