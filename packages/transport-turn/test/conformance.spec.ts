import { describeTransportStrategy, globalRunner, unknownNetwork } from '@kithmesh/testkit'
import type { ResolvedUrl } from '@kithmesh/core'
import { turn } from '@kithmesh/transport-turn'
import { DatagramServer } from './support/datagram-server.ts'
import { TestTurnServer } from './support/turn-server.ts'

const reachable: ResolvedUrl = { url: 'ws://peer.invalid/db', addresses: [], network: { routes: unknownNetwork().routes, port: 0 } }
const unusable: ResolvedUrl = { url: 'ws://peer.invalid/db', addresses: [] }

const addresses = { resolved: () => reachable, unreachable: () => reachable, unusable: () => unusable }

describeTransportStrategy(
  'turn, connections relayed, a server on one side',
  {
    factory: turn({ servers: [] }),
    create: async () => {
      const server = await new TestTurnServer().start()
      return {
        ...addresses,
        factoryFor: (host) => turn({ servers: host === 'a' ? [server.server] : [] }),
        [Symbol.asyncDispose]: () => server.kill()
      }
    }
  },
  globalRunner()
)

describe('with a foreign server for datagrams', () => {
  const server = new DatagramServer()
  before(() => server.start())
  after(() => server.stop())

  describeTransportStrategy(
    'turn, datagrams relayed, a server on one side',
    {
      factory: turn({ servers: [] }),
      create: async () => ({
        ...addresses,
        factoryFor: (host) => turn({ servers: host === 'a' ? [server.server] : [] }),
        async [Symbol.asyncDispose]() {}
      })
    },
    globalRunner()
  )
})
