import type { ByteSocketFactory, MessageSocketFactory } from '@kithmesh/core'
import type { ByteSocketHarness, MessageSocketHarness } from '@kithmesh/testkit'
import { MemoryMedium, listenMemoryMessages, memoryMessageSocketFactory, memorySocketFactory } from '@kithmesh/testkit/memory'

const url = (port: number): string => `memory://there:${port}/`

/** Byte streams over an in-process medium; `mutate` may break the factory. */
export function byteHarness(
  mutate: (factory: ByteSocketFactory) => ByteSocketFactory = (factory) => factory,
  settleMs = 5000
): ByteSocketHarness {
  const medium = new MemoryMedium()
  return {
    factory: mutate(memorySocketFactory(medium, 'here')),
    settleMs,
    async listen(accept) {
      const listener = medium.listen('there', 0, accept)
      return {
        url: url(listener.port),
        async close() {
          listener.close()
        }
      }
    }
  }
}

/** Message sockets over an in-process medium; `mutate` may break the factory. */
export function messageHarness(
  mutate: (factory: MessageSocketFactory) => MessageSocketFactory = (factory) => factory,
  settleMs = 5000
): MessageSocketHarness {
  const medium = new MemoryMedium()
  return {
    factory: mutate(memoryMessageSocketFactory(medium, { host: 'here' })),
    settleMs,
    async listen(accept) {
      const listener = listenMemoryMessages(medium, 'there', 0, accept)
      return {
        url: url(listener.port),
        async close() {
          listener.close()
        }
      }
    },
    async listenSilently() {
      let open = 0
      const listener = medium.listen('there', 0, (socket) => {
        open++
        socket
          .on('close', () => {
            open--
          })
          .resume()
      })
      return {
        url: url(listener.port),
        connections: () => open,
        async close() {
          listener.close()
        }
      }
    }
  }
}
