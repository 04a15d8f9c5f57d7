import type { ByteSocket, TransportStrategy } from '@kithmesh/core'
import type { MemoryMedium } from '@kithmesh/testkit/memory'

/** Breaks a correct strategy in one place. */
export type TransportMutation = (strategy: TransportStrategy, medium: MemoryMedium) => TransportStrategy

/** Gives up at once when cancelled, but lets the stream open behind its back. */
export const leaksOnAbort: TransportMutation = (strategy) => ({
  ...strategy,
  attempt(target, { signal, progress }) {
    const stream = strategy.attempt(target, { signal: new AbortController().signal, progress })
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        stream.then(
          (socket) => socket.destroy(),
          () => {}
        )
        reject(signal.reason as Error)
        return
      }
      signal.addEventListener('abort', () => {
        stream.then(
          (socket) => {
            socket.on('error', () => {})
          },
          () => {}
        )
        reject(signal.reason as Error)
      })
      stream.then(resolve, reject)
    })
  }
})

/** Closes its accepted streams together with the listener. */
export const closesAcceptedStreams: TransportMutation = (strategy) => ({
  ...strategy,
  async listen(options) {
    const accepted: ByteSocket[] = []
    const listener = await (strategy.listen as NonNullable<TransportStrategy['listen']>)({
      onConnection(socket, remote) {
        accepted.push(socket)
        options.onConnection(socket, remote)
      }
    })
    return {
      ...listener,
      async close() {
        for (const socket of accepted) socket.destroy()
        await listener.close()
      }
    }
  }
})

/** Says that the listener is closed and goes on accepting. */
export const goesOnAccepting: TransportMutation = (strategy) => ({
  ...strategy,
  async listen(options) {
    const listener = await (strategy.listen as NonNullable<TransportStrategy['listen']>)(options)
    return { ...listener, async close() {} }
  }
})

/** Opens a connection to find out whether it can. */
export const probesInAssess: TransportMutation = (strategy, medium) => ({
  ...strategy,
  assess(target) {
    const match = /^memory:\/\/(\w+):(\d+)/.exec(target.resolved.url)
    if (match !== null) medium.connect('a', match[1] as string, Number(match[2])).on('error', () => {})
    return strategy.assess(target)
  }
})
