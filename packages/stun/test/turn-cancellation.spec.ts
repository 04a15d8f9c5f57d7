import { PassThrough } from 'node:stream'
import { expect } from 'chai'
import { realClock, recordingLogger, rejection } from '@kithmesh/testkit'
import { LongTermCredentials } from '../dist/credentials/long-term.js'
import { TurnTcpAllocation } from '../dist/turn/tcp-allocation.js'

const here = { address: '127.0.0.1', port: 1 }

describe('A connection through a relay that comes in the very turn in which it is given up', () => {
  for (const by of ['the signal', 'the end of the allocation'] as const)
    it(`is closed when ${by} ends it`, async () => {
      const controller = new AbortController()
      let end: (error: undefined) => void = () => {}
      const stream = new PassThrough()
      const success = async (): Promise<unknown> => ({ message: { messageClass: 'success', attributes: { connectionId: 1 } } })
      const allocation: TurnTcpAllocation = new TurnTcpAllocation(
        {
          control: {
            transport: 'tcp',
            server: here,
            local: here,
            ended: new Promise<undefined>((resolve) => {
              end = resolve
            }),
            request: success,
            send: () => true,
            onIndication: () => {},
            onChannelData: () => {},
            close: async () => end(undefined)
          } as never,
          credentials: new LongTermCredentials('user', 'secret'),
          relayed: here,
          mapped: here,
          lifetime: 600,
          askedLifetime: 600,
          requestTimeoutMs: 1_000,
          checkIntervalMs: 60_000,
          clock: realClock,
          logger: recordingLogger('turn')
        },
        async () =>
          ({
            requestLast: success,
            detach: () => {
              if (by === 'the signal') controller.abort(new Error('enough'))
              else void allocation.close()
              return stream
            },
            close: async () => {}
          }) as never
      )
      try {
        const error = await rejection(allocation.connect({ address: '192.0.2.1', port: 1 }, { signal: controller.signal }))
        expect(error.message).to.match(/enough|closed/)
        expect(stream.destroyed).to.equal(true)
      } finally {
        await allocation.close()
      }
    })
})
