import type { AttemptOptions, ByteSocket, ConnectTarget, TransportFactory, TransportStrategy } from '@kithmesh/core'
import type { MemoryMedium } from '@kithmesh/testkit/memory'
import { cutsUnnoticed, endsTwice } from './streams.ts'

/** Breaks a correct strategy in one place. */
export type TransportMutation = (strategy: TransportStrategy, medium: MemoryMedium) => TransportStrategy

type Attempt = TransportStrategy['attempt']
type Listen = NonNullable<TransportStrategy['listen']>

const deaf = (): AbortSignal => new AbortController().signal
const ignore = (): void => {}

const attempting =
  (change: (attempt: Attempt, target: ConnectTarget, options: AttemptOptions) => Promise<ByteSocket>): TransportMutation =>
  (strategy) => ({ ...strategy, attempt: (target, options) => change((t, o) => strategy.attempt(t, o), target, options) })

/** Changes the stream of an attempt that succeeded. */
const streaming = (change: (socket: ByteSocket) => ByteSocket | undefined): TransportMutation =>
  attempting(async (attempt, target, options) => {
    const socket = await attempt(target, options)
    return change(socket) ?? socket
  })

const failing = (change: (error: unknown) => unknown): TransportMutation =>
  attempting((attempt, target, options) =>
    attempt(target, options).catch((error: unknown) => {
      throw options.signal.aborted ? error : change(error)
    })
  )

const listening =
  (change: (listen: Listen, options: Parameters<Listen>[0]) => ReturnType<Listen>): TransportMutation =>
  (strategy) => ({
    ...strategy,
    listen: (options) => change((given) => (strategy.listen as Listen)(given), options)
  })

const writing = (change: (write: (bytes: Uint8Array) => boolean, bytes: Uint8Array) => boolean): TransportMutation =>
  streaming((socket) => {
    const write = socket.write.bind(socket) as (bytes: Uint8Array) => boolean
    socket.write = ((bytes: Uint8Array) => change(write, bytes)) as typeof socket.write
    return undefined
  })

/** Gives up at once when cancelled, but lets the stream open behind its back. */
const leaksOnAbort = attempting((attempt, target, { signal, progress }) => {
  const stream = attempt(target, { signal: deaf(), progress })
  return new Promise((resolve, reject) => {
    const giveUp = (): void => {
      reject(signal.reason as Error)
    }
    if (signal.aborted) giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    stream.then(
      (socket) => {
        socket.on('error', ignore)
        signal.removeEventListener('abort', giveUp)
        resolve(socket)
      },
      (error: unknown) => {
        signal.removeEventListener('abort', giveUp)
        reject(error as Error)
      }
    )
  })
})

/** Looks at the signal at the beginning only. */
const deafOnceBegun = attempting((attempt, target, { signal, progress }) => {
  if (signal.aborted) return Promise.reject(signal.reason as Error)
  return attempt(target, { signal: deaf(), progress })
})

export interface TransportMutant {
  readonly mutate?: TransportMutation
  readonly mutateFactory?: (factory: TransportFactory) => TransportFactory
  /** @default true */
  readonly listens?: boolean
  /** A check that must catch it. */
  readonly caughtBy: string
}

/** Strategies that are broken in one place each, by what is wrong with them. */
export const transportMutants: Readonly<Record<string, TransportMutant>> = {
  'says that it listens, and does not': {
    mutateFactory: (factory) => ({ ...factory, capabilities: Object.freeze({ ...factory.capabilities, listens: false }) }),
    listens: true,
    caughtBy: 'without a passive side > has no listen()'
  },
  'has one strategy for everybody': {
    mutateFactory: (() => {
      let only: TransportStrategy | undefined
      return (factory) => ({
        ...factory,
        create(context) {
          only ??= factory.create(context)
          return only
        }
      })
    })(),
    caughtBy: 'factory > makes a new strategy each time'
  },
  'starts working when it is made': {
    mutate: (strategy) => {
      const timer = setInterval(ignore, 1000)
      return {
        ...strategy,
        async shutdown() {
          clearInterval(timer)
          await strategy.shutdown()
        }
      }
    },
    caughtBy: 'factory > makes strategies that open nothing by themselves'
  },
  'connects in assess': {
    mutate: (strategy, medium) => ({
      ...strategy,
      assess(target) {
        const match = /^memory:\/\/(\w+):(\d+)/.exec(target.resolved.url)
        if (match !== null && match[2] !== '1') medium.connect('a', match[1] as string, Number(match[2])).on('error', ignore)
        return strategy.assess(target)
      }
    }),
    caughtBy: 'assess > gives the same answer again, leaves the target as it was and connects nowhere'
  },
  'takes every URL for sound': {
    mutate: (strategy) => ({
      ...strategy,
      assess(target) {
        if (new URL(target.resolved.url).protocol === 'nonsense:') return { usable: false, reason: 'nonsense' }
        return strategy.assess(target)
      }
    }),
    caughtBy: 'assess > survives URLs of any form'
  },
  'remembers what it assessed': {
    mutate: (strategy) => {
      let rank = 0
      return {
        ...strategy,
        assess(target) {
          const assessment = strategy.assess(target)
          return assessment.usable ? { ...assessment, rank: rank++ } : assessment
        }
      }
    },
    caughtBy: 'assess > gives the same answer after attempts, good and bad'
  },
  'assesses by a promise': {
    mutate: (strategy) => ({ ...strategy, assess: (target) => Promise.resolve(strategy.assess(target)) as never }),
    caughtBy: 'assess > answers at once, not by a promise'
  },
  'fails without a code': {
    mutate: failing(() => new Error('it did not work')),
    caughtBy: 'a failed attempt > rejects with a code when nobody answers'
  },
  'fails without a hint': {
    mutate: failing((error) =>
      Object.assign(new Error((error as Error).message), { name: 'KithmeshError', code: (error as { code?: unknown }).code })
    ),
    caughtBy: 'a failed attempt > has a hint of what can be done'
  },
  'never gives up': {
    mutate: attempting((attempt, target, options) => attempt(target, options).catch(() => new Promise<never>(ignore))),
    caughtBy: 'a failed attempt > rejects with a code when the device is nowhere'
  },
  'goes on listening to the signal': {
    mutate: attempting((attempt, target, options) => {
      options.signal.addEventListener('abort', ignore)
      return attempt(target, options)
    }),
    caughtBy: 'a failed attempt > takes its listeners off the signal'
  },
  'reports no progress': {
    mutate: attempting((attempt, target, options) => attempt(target, { ...options, progress: ignore })),
    caughtBy: 'progress > reports the phases that an attempt goes through'
  },
  'reports progress when it is over': {
    mutate: attempting(async (attempt, target, options) => {
      const socket = await attempt(target, options)
      setImmediate(() => {
        options.progress('open')
      })
      return socket
    }),
    caughtBy: 'progress > reports nothing once the attempt is over'
  },
  'leaks a stream when it is cancelled': {
    mutate: leaksOnAbort,
    caughtBy: 'cancellation > rejects with the reason of a signal that aborts meanwhile, and leaves no stream'
  },
  'cannot be cancelled once it has begun': { mutate: deafOnceBegun, caughtBy: 'cancellation > works in every phase' },
  'gives a reason of its own when it is cancelled': {
    mutate: attempting((attempt, target, options) =>
      attempt(target, options).catch((error: unknown) => {
        throw options.signal.aborted ? new DOMException('Aborted', 'AbortError') : error
      })
    ),
    caughtBy: 'cancellation > rejects with whatever the reason is'
  },
  'cancels all attempts with one': {
    mutate: (strategy) => {
      let together = new AbortController()
      return {
        ...strategy,
        attempt(target, { signal, progress }) {
          signal.addEventListener('abort', () => {
            together.abort(signal.reason)
            together = new AbortController()
          })
          if (signal.aborted) return Promise.reject(signal.reason as Error)
          return strategy.attempt(target, { signal: together.signal, progress })
        }
      }
    },
    caughtBy: 'cancellation > ends one of several attempts only'
  },
  'is spoiled by a failure': {
    mutate: (strategy) => {
      let spoiled: unknown
      return {
        ...strategy,
        async attempt(target, options) {
          if (spoiled !== undefined) throw spoiled
          try {
            return await strategy.attempt(target, options)
          } catch (error) {
            if (!options.signal.aborted) spoiled = error
            throw error
          }
        }
      }
    },
    caughtBy: 'attempt > is not spoiled by attempts that failed before'
  },
  'opens two streams and uses one': {
    mutate: attempting(async (attempt, target, options) => {
      const spare = await attempt(target, options)
      spare.on('error', ignore)
      return await attempt(target, options)
    }),
    caughtBy: 'attempt > opens one stream for one attempt'
  },
  'is busy with one attempt': {
    mutate: (strategy) => {
      let busy = false
      return {
        ...strategy,
        async attempt(target, options) {
          if (busy) return await new Promise<never>(ignore)
          busy = true
          return await strategy.attempt(target, options).finally(() => {
            busy = false
          })
        }
      }
    },
    caughtBy: 'attempt > opens ten streams at once'
  },
  'garbles a byte': {
    mutate: writing((write, bytes) => write(Uint8Array.from(bytes, (byte) => (byte === 0x80 ? 0 : byte)))),
    caughtBy: 'transfer > keeps every value of a byte'
  },
  'loses what comes before it is read': {
    mutate: streaming((socket) => {
      socket.once('readable', () => {
        if (socket.readableFlowing !== true) socket.read()
      })
      return undefined
    }),
    caughtBy: 'transfer > keeps what came before the dialling side reads'
  },
  'delivers text': {
    mutate: streaming((socket) => {
      socket.setEncoding('latin1')
      return undefined
    }),
    caughtBy: 'transfer > keeps every value of a byte'
  },
  'is never full': {
    mutate: writing((write, bytes) => {
      write(bytes)
      return true
    }),
    caughtBy: 'transfer > holds the dialled side back while the other one does not read, and goes on later'
  },
  'swaps writes': {
    mutate: (strategy, medium) => {
      const held: Uint8Array[] = []
      return writing((write, bytes) => {
        if (bytes.length !== 17) return write(bytes)
        held.push(bytes)
        if (held.length < 2) return true
        for (const each of held.splice(0).reverse()) write(each)
        return true
      })(strategy, medium)
    },
    caughtBy: 'transfer > keeps the order of a thousand small writes'
  },
  'stops after a megabyte less one': {
    mutate: (strategy, medium) => {
      let room = 999_999
      return writing((write, bytes) => {
        const part = bytes.subarray(0, room)
        room -= part.length
        return write(part)
      })(strategy, medium)
    },
    caughtBy: 'stream from a to b > carries 1 MB intact'
  },
  'drops what is under way when it ends': {
    mutate: streaming((socket) => {
      socket.end = (() => {
        socket.destroy()
        return socket
      }) as typeof socket.end
      return undefined
    }),
    caughtBy: 'ending > delivers what was on its way back when the other side ended'
  },
  'carries nothing when one of the machines dials': {
    mutate: attempting(async (attempt, target, options) => {
      const socket = await attempt(target, options)
      if (target.device.displayName === 'a') socket.write = (() => true) as typeof socket.write
      return socket
    }),
    caughtBy: 'stream from b to a > is open and carries bytes both ways'
  },
  'takes an end for an error': {
    mutate: streaming((socket) => {
      socket.on('end', () => {
        socket.emit('error', new Error('it is over'))
      })
      socket.once('finish', () => {
        socket.emit('error', new Error('it is over'))
      })
      return undefined
    }),
    caughtBy: 'ending > is no error on either side'
  },
  'reports the end twice': {
    mutate: streaming(endsTwice),
    caughtBy: 'ending > from both sides at once closes both once'
  },
  'does not tell the other side of a cut': {
    mutate: streaming(cutsUnnoticed),
    caughtBy: 'ending > by a cut while the other one is writing closes both'
  },
  'closes its accepted streams with the listener': {
    mutate: listening(async (listen, options) => {
      const accepted: ByteSocket[] = []
      const listener = await listen({
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
    }),
    caughtBy: 'listener > leaves accepted streams alone when it closes'
  },
  'goes on accepting': {
    mutate: listening(async (listen, options) => ({ ...(await listen(options)), async close() {} })),
    caughtBy: 'listener > accepts nobody once it is closed'
  },
  'cannot close twice': {
    mutate: listening(async (listen, options) => {
      const listener = await listen(options)
      let closed = false
      return {
        ...listener,
        async close() {
          if (closed) throw new Error('closed already')
          closed = true
          await listener.close()
        }
      }
    }),
    caughtBy: 'listener > closes more than once'
  },
  'listens once': {
    mutate: (strategy, medium) => {
      let listened = false
      return listening((listen, options) => {
        if (listened) return Promise.reject(new Error('the address is in use'))
        listened = true
        return listen(options)
      })(strategy, medium)
    },
    caughtBy: 'listener > can be opened again after it was closed'
  },
  'closes all listeners with one': {
    mutate: (strategy, medium) => {
      const closes: (() => Promise<void>)[] = []
      return listening(async (listen, options) => {
        const listener = await listen(options)
        closes.push(() => listener.close())
        return {
          ...listener,
          async close() {
            for (const close of closes) await close()
          }
        }
      })(strategy, medium)
    },
    caughtBy: 'listener > works beside a second one on the same machine'
  },
  'hands a stream over twice': {
    mutate: listening((listen, options) =>
      listen({
        onConnection(socket, remote) {
          options.onConnection(socket, remote)
          options.onConnection(socket, remote)
        }
      })
    ),
    caughtBy: 'listener > hands over each stream once'
  },
  'does not say who comes': {
    mutate: listening((listen, options) =>
      listen({
        onConnection(socket) {
          ;(options.onConnection as (socket: ByteSocket) => void)(socket)
        }
      })
    ),
    caughtBy: 'listener > says where a stream came from'
  },
  'forgets its listeners on shutdown': {
    mutate: (strategy) => ({ ...strategy, async shutdown() {} }),
    caughtBy: 'listener > is closed by shutdown'
  },
  'waits for attempts on shutdown, which wait for it': {
    mutate: (strategy) => {
      let under = 0
      return {
        ...strategy,
        async attempt(target, options) {
          under++
          return await strategy.attempt(target, options).finally(() => {
            setTimeout(() => {
              under--
            }, 60_000).unref()
          })
        },
        async shutdown() {
          if (under > 0) await new Promise<never>(ignore)
          await strategy.shutdown()
        }
      }
    },
    caughtBy: 'shutdown > ends an attempt that is under way'
  },
  'works on after shutdown': {
    mutateFactory: (factory) => ({
      ...factory,
      create(context) {
        let strategy = factory.create(context)
        return {
          ...strategy,
          attempt: (target, options) => strategy.attempt(target, options),
          ...(strategy.listen === undefined ? {} : { listen: (options) => (strategy.listen as Listen)(options) }),
          async shutdown() {
            await strategy.shutdown()
            strategy = factory.create(context)
          }
        }
      }
    }),
    caughtBy: 'shutdown > refuses attempts afterwards, with a code'
  },
  'leaves a timer for each attempt': {
    mutate: (strategy) => {
      const timers: NodeJS.Timeout[] = []
      return {
        ...strategy,
        attempt(target, options) {
          timers.push(setInterval(ignore, 1000))
          return strategy.attempt(target, options)
        },
        async shutdown() {
          for (const timer of timers) clearInterval(timer)
          await strategy.shutdown()
        }
      }
    },
    caughtBy: 'nothing stays open > after an attempt that failed'
  },
  'leaves a timer for each listener': {
    mutate: (strategy, medium) => {
      const timers: NodeJS.Timeout[] = []
      const mutant = listening((listen, options) => {
        timers.push(setInterval(ignore, 1000))
        return listen(options)
      })(strategy, medium)
      return {
        ...mutant,
        async shutdown() {
          for (const timer of timers) clearInterval(timer)
          await strategy.shutdown()
        }
      }
    },
    caughtBy: 'nothing stays open > after a listener was closed'
  }
}
