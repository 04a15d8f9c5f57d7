import { once } from 'node:events'
import { createServer, type AddressInfo, type Server } from 'node:net'
import type { ClaimTable } from '@kithmesh/core/plugin'
import { reverse } from '@kithmesh/transport-reverse'
import { describeTransportStrategy, globalRunner, unknownNetwork } from '@kithmesh/testkit'

const factory = reverse({ deadlineMs: 5_000 })

describeTransportStrategy(
  'reverse',
  {
    factory,
    create: async () => {
      const servers = new Map<string, Server>()
      const claims = new Map<string, ClaimTable>()
      for (const host of ['a', 'b']) {
        const server = createServer((socket) => {
          socket.on('error', () => {})
          const unasked = (): void => {
            socket.destroy()
          }
          const table = claims.get(host)
          if (table === undefined) unasked()
          else table.sort(socket, `${socket.remoteAddress}:${socket.remotePort}`, unasked)
        })
        server.listen(0, '127.0.0.1')
        await once(server, 'listening')
        servers.set(host, server)
      }
      const portOf = (host: string): number => (servers.get(host)!.address() as AddressInfo).port
      return {
        factoryFor: () => factory,
        context: (host, defaults) => {
          claims.set(host, defaults.claims)
          return { ...defaults, listeningPort: () => portOf(host) }
        },
        resolved: (_listener, host) => ({
          url: 'wss://device.local:4984/db',
          addresses: [],
          network: { port: portOf(host), routes: unknownNetwork().routes }
        }),
        unreachable: () => ({ url: 'wss://device.local:4984/db', addresses: [], network: { port: 4984, routes: unknownNetwork().routes } }),
        unusable: () => ({ url: 'wss://device.local:4984/db', addresses: ['127.0.0.1'] }),
        async [Symbol.asyncDispose]() {
          for (const server of servers.values()) server.close()
        }
      }
    }
  },
  globalRunner()
)
