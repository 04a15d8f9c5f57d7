import { TRANSPORT_CONTRACT_VERSION, defineErrors } from '@kithmesh/core'
import type { ByteSocket, ListenOptions, TransportContext, TransportFactory, TransportStrategy } from '@kithmesh/core'
import { joinSignals } from '@kithmesh/core/plugin'
import type { TransportHarness } from '@kithmesh/testkit'
import { MemoryMedium } from '@kithmesh/testkit/memory'

const callErrors = defineErrors({
  ERR_CALL_UNUSABLE: { when: 'The device cannot be called.', hint: 'Find it by a provider with signalling.' },
  ERR_CALL_SHUT_DOWN: { when: 'The transport was shut down.', hint: 'Make a new discovery.' },
  ERR_CALL_TIMEOUT: { when: 'The device did not connect in time.', hint: 'Try again.' },
  ERR_CALL_NO_LISTENER: { when: 'The device takes no calls.', hint: 'Start it.' }
})

const DEADLINE_MS = 2000

/** What mutants change. */
export interface CallOptions {
  /** Streams to a port that nobody waits at any more are destroyed. */
  readonly closesPorts?: boolean
  /** A call that did not come about does not keep this device from taking others. */
  readonly survivesFailures?: boolean
}

/** A strategy that asks the other machine over signalling to connect back: the reference for those whose attempts need both ends. */
function memoryCall(medium: MemoryMedium, host: string, options: CallOptions = {}): TransportFactory {
  const capabilities = Object.freeze({ listens: true, relayed: false })
  return {
    name: 'call',
    contractVersion: TRANSPORT_CONTRACT_VERSION,
    capabilities,
    create: (context) => createStrategy(medium, host, options, context, capabilities)
  }
}

function createStrategy(
  medium: MemoryMedium,
  host: string,
  { closesPorts = true, survivesFailures = true }: CallOptions,
  { signaling, clock }: TransportContext,
  capabilities: TransportStrategy['capabilities']
): TransportStrategy {
  const life = new AbortController()
  const takers = new Set<ListenOptions['onConnection']>()
  let broken = false
  const unhandle = signaling.handle('test.call', (_from, { host: to, port }) => {
    const take = [...takers].at(-1)
    if (take === undefined || broken) throw callErrors.create('ERR_CALL_NO_LISTENER', 'Nobody takes calls here')
    try {
      take(medium.connect(host, String(to), Number(port)), `${String(to)}:${Number(port)}`)
    } catch (error) {
      broken = !survivesFailures
      throw error
    }
    return {}
  })
  return {
    name: 'call',
    capabilities,
    assess: ({ resolved }) =>
      resolved.url.startsWith('call:') ? { usable: true, rank: 10 } : { usable: false, reason: 'the device takes no calls' },
    async attempt({ device, resolved }, { signal, progress }) {
      signal.throwIfAborted()
      life.signal.throwIfAborted()
      if (!resolved.url.startsWith('call:')) throw callErrors.create('ERR_CALL_UNUSABLE', 'The device takes no calls')
      const ending = joinSignals(signal, life.signal)
      const cancel = clock.after(DEADLINE_MS, () => {
        ending.abort(callErrors.create('ERR_CALL_TIMEOUT', 'The device did not connect'))
      })
      let take: (socket: ByteSocket) => void = () => {}
      const stream = new Promise<ByteSocket>((resolve) => {
        take = resolve
      })
      const port = medium.listen(host, 0, (socket) => {
        take(socket)
        take = (late) => {
          if (closesPorts) late.destroy()
        }
        if (closesPorts) port.close()
      })
      try {
        progress('ask')
        await signaling.request(device.id, 'test.call', { host, port: port.port }, { signal: ending.signal })
        progress('wait')
        const aborted = new Promise<never>((_resolve, reject) => {
          ending.signal.addEventListener('abort', () => {
            reject(ending.signal.reason as Error)
          })
          if (ending.signal.aborted) reject(ending.signal.reason as Error)
        })
        const socket = await Promise.race([stream, aborted])
        ending.signal.throwIfAborted()
        return socket
      } catch (error) {
        void stream.then((socket) => socket.destroy())
        throw ending.signal.aborted ? ending.signal.reason : error
      } finally {
        cancel()
        if (closesPorts) port.close()
        ending.release()
      }
    },
    async listen({ onConnection }) {
      life.signal.throwIfAborted()
      const take: ListenOptions['onConnection'] = (socket, remote) => {
        onConnection(socket, remote)
      }
      takers.add(take)
      return {
        port: undefined,
        addresses: [],
        async close() {
          takers.delete(take)
        }
      }
    },
    async shutdown() {
      life.abort(callErrors.create('ERR_CALL_SHUT_DOWN', 'The transport was shut down'))
      unhandle()
      takers.clear()
    }
  }
}

export function callHarness(options: CallOptions = {}, settleMs = 5000): TransportHarness {
  return {
    factory: memoryCall(new MemoryMedium(), 'a', options),
    settleMs,
    async create() {
      const medium = new MemoryMedium()
      return {
        factoryFor: (host) => memoryCall(medium, host, options),
        resolved: () => ({ url: 'call:', addresses: [] }),
        unreachable: () => ({ url: 'call:', addresses: [] }),
        unusable: () => ({ url: 'carrier-pigeon://b/', addresses: [] }),
        async [Symbol.asyncDispose]() {}
      }
    }
  }
}
