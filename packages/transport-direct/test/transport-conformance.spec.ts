import { direct } from '@kithmesh/transport-direct'
import { describeTransportStrategy, globalRunner } from '@kithmesh/testkit'

describeTransportStrategy(
  'direct',
  {
    factory: direct({ host: '127.0.0.1' }),
    create: async () => ({
      factoryFor: () => direct({ host: '127.0.0.1', deadlineMs: 5_000 }),
      resolved: (listener) => ({ url: `ws://peer.local:${listener.port}/db`, addresses: ['127.0.0.1'] }),
      unreachable: () => ({ url: 'ws://peer.local:1/db', addresses: ['127.0.0.1', '::1'] }),
      unusable: () => ({ url: 'l2cap://00-11-22-33-44-55:129', addresses: [] }),
      async [Symbol.asyncDispose]() {}
    })
  },
  globalRunner()
)
