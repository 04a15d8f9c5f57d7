import {
  type AttemptOptions,
  type Assessment,
  type ByteSocket,
  type ConnectTarget,
  formatHostPort,
  limitedSignal,
  type TransportCapabilities,
  type TransportContext,
  type TransportStrategy
} from '@kithmesh/core/plugin'
import { __factory__Errors } from './errors.ts'
import type { CheckedOptions } from './options.ts'
import { openTunnel } from './tunnel.ts'

/** `listens` is false: the device at the other end accepts connections as ever. `relayed` is true: the bytes pass through a third party. */
export const capabilities: TransportCapabilities = Object.freeze({ listens: false, relayed: true })

/** After what is direct (0 to 60), before what is a last resort; see the table in docs/writing-a-transport.md of Kithmesh. */
const RANK = 70

export class __Name__Strategy implements TransportStrategy {
  readonly name = '__name__'
  readonly capabilities = capabilities
  readonly #context: TransportContext
  readonly #options: CheckedOptions
  readonly #life = new AbortController()

  constructor(context: TransportContext, options: CheckedOptions) {
    this.#context = context
    this.#options = options
  }

  /** Pure and quick. Every reason is read by a person, in the connection report. */
  assess({ resolved }: ConnectTarget): Assessment {
    return targetsOf(resolved).length === 0
      ? { usable: false, reason: 'the device has no TCP port that a proxy could connect to' }
      : { usable: true, rank: RANK }
  }

  /** Tries the addresses one after the other; the deadline is for all of them. */
  async attempt({ resolved }: ConnectTarget, { signal, progress }: AttemptOptions): Promise<ByteSocket> {
    const { proxy, deadlineMs } = this.#options
    const late = (): Error => __factory__Errors.create('ERR___CODE___TIMEOUT', `No tunnel was open within ${deadlineMs} ms`)
    const limited = limitedSignal(this.#context.clock, deadlineMs, late, signal, this.#life.signal)
    try {
      limited.signal.throwIfAborted()
      let failure: unknown = __factory__Errors.create('ERR___CODE___REFUSED', 'The device has no address')
      for (const target of targetsOf(resolved)) {
        progress('tunnel', target)
        try {
          return await openTunnel(proxy, target, limited.signal)
        } catch (error) {
          limited.signal.throwIfAborted()
          failure = error
        }
      }
      throw failure
    } finally {
      limited.release()
    }
  }

  async shutdown(): Promise<void> {
    this.#life.abort(__factory__Errors.create('ERR___CODE___SHUT_DOWN', 'The transport was shut down'))
  }
}

/** What the proxy is asked to connect to: `192.0.2.7:4984`. */
function targetsOf({ url, addresses }: ConnectTarget['resolved']): readonly string[] {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !['ws:', 'wss:'].includes(parsed.protocol)) return []
  const port = Number(parsed.port === '' ? (parsed.protocol === 'wss:' ? 443 : 80) : parsed.port)
  // A proxy knows nothing of this machine's interfaces: addresses that name one are of no use to it.
  const usable = addresses.filter((address) => !address.includes('%'))
  return (usable.length > 0 ? usable : [parsed.hostname.replace(/^\[|\]$/g, '')]).map((address) => formatHostPort(address, port))
}
