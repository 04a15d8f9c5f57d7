import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { TransportHarness } from '@kithmesh/testkit'
import { __factory__ } from '__package__'
import { listening, startProxy } from './proxy.ts'

/** What `kithmesh certify` and the tests run the conformance suite on. */
export const transports: Readonly<Record<string, TransportHarness>> = {
  'through __name__': {
    factory: __factory__({ proxy: 'http://127.0.0.1:9' }),
    settleMs: 5000,
    async create() {
      const proxy = await startProxy()
      const factory = __factory__({ proxy: proxy.url, deadlineMs: 4000 })
      const unused = createServer()
      const unusedPort = await listening(unused)
      unused.close()
      await once(unused, 'close')
      return {
        factoryFor: () => factory,
        // This transport has no passive side: the other machine listens as `direct` does.
        async listen(_host, accept) {
          const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket: Socket) => {
            accept(socket)
          })
          const port = await listening(server)
          return {
            resolved: { url: `wss://127.0.0.1:${port}/db`, addresses: ['127.0.0.1'] },
            async close() {
              if (server.listening) server.close()
            }
          }
        },
        unreachable: () => ({ url: `wss://127.0.0.1:${unusedPort}/db`, addresses: ['127.0.0.1'] }),
        unusable: () => ({ url: 'l2cap://device:129', addresses: [] }),
        async [Symbol.asyncDispose]() {
          await proxy.close()
        }
      }
    }
  }
}
