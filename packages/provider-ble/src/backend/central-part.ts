import type { Clock, Logger } from '@kithmesh/core/plugin'
import { NobleCentral } from '../central/noble-central.ts'
import { whenPowerLost, whenPoweredOn } from '../central/power.ts'
import { bleErrors } from '../errors.ts'
import type { HciHost } from '../hci/hci-host.ts'
import type { LoadedNoble } from '../library/noble-like.ts'
import type { CentralPart } from './backend.ts'
import type { BleCentral } from './contracts.ts'

export interface CentralPartOptions {
  /** A private instance of noble, not yet started. @throws what stands in the way */
  readonly load: () => LoadedNoble
  readonly host?: HciHost
  readonly clock: Clock
  readonly logger: Logger
  /** For Bluetooth to come on. @default 10000 */
  readonly powerMs?: number
}

/** The central of a backend: a new one over a new instance of noble at every start. */
export function centralPart(options: CentralPartOptions): CentralPart {
  return new RestartableCentral(options)
}

class RestartableCentral implements CentralPart {
  readonly #options: CentralPartOptions
  #central: BleCentral | undefined
  /** What is to be given up, last first. */
  readonly #ends: (() => Promise<void> | void)[] = []

  constructor(options: CentralPartOptions) {
    this.#options = options
  }

  async start(lost: (error: Error) => void, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    const { load, host, clock, logger, powerMs = 10_000 } = this.#options
    const loaded = load()
    this.#ends.push(() => {
      loaded.release()
    })
    const powered = { name: loaded.name, library: loaded.noble }
    loaded.start()
    await whenPoweredOn(powered, { clock, ms: powerMs, signal })
    signal.throwIfAborted()
    // A host tells by itself, and why; to a library an adapter that is gone is one that was switched off.
    if (host === undefined) this.#ends.push(whenPowerLost(powered, lost))
    const central = new NobleCentral({ loaded, host, clock, logger })
    this.#ends.push(() => central.stop())
    this.#central = central
  }

  async stop(): Promise<void> {
    this.#central = undefined
    for (let end = this.#ends.pop(); end !== undefined; end = this.#ends.pop()) await end()
  }

  async startScan(...parameters: Parameters<BleCentral['startScan']>): Promise<void> {
    await this.#started.startScan(...parameters)
  }

  async stopScan(): Promise<void> {
    await this.#central?.stopScan()
  }

  async read(...parameters: Parameters<BleCentral['read']>): ReturnType<BleCentral['read']> {
    return await this.#started.read(...parameters)
  }

  async watch(...parameters: Parameters<BleCentral['watch']>): ReturnType<BleCentral['watch']> {
    return await this.#started.watch(...parameters)
  }

  async openStream(...parameters: Parameters<BleCentral['openStream']>): ReturnType<BleCentral['openStream']> {
    return await this.#started.openStream(...parameters)
  }

  get #started(): BleCentral {
    if (this.#central === undefined) throw bleErrors.create('ERR_BLE_SHUT_DOWN', 'Bluetooth is not in use')
    return this.#central
  }
}
