import type { ActiveConnection, ByteSocket, Clock, KithmeshError, Logger, ObservableList } from '@kithmesh/core'
import type { MeshConnection } from '../engine/contracts.ts'
import type { MeshEngine } from '../engine/mesh-engine.ts'
import type { Admission } from './admission.ts'
import { LiveConnections } from './live-connections.ts'

/** A connection that is no longer welcome ends in order within so many milliseconds, or is cut. */
const endMs = 1_000
/** Devices that are remembered as ended for that. */
const maxEnded = 1_000

export interface ConnectionKeeperOptions {
  readonly admission: Pick<Admission, 'refusal' | 'onChange'>
  readonly engine: Pick<MeshEngine, 'neighbours' | 'links' | 'onChanged' | 'disconnect' | 'release'>
  readonly peerGroupId: string
  readonly clock: Clock
  readonly logger: Logger
}

/** Knows the open connections, and ends those that are no longer welcome, at once. */
export class ConnectionKeeper {
  readonly #options: ConnectionKeeperOptions
  readonly #live: LiveConnections
  /** Whose connections were ended, with the address that they came from, until they are welcome again. */
  readonly #ended = new Map<string, string | null>()

  constructor(options: ConnectionKeeperOptions) {
    const { engine, logger } = options
    this.#options = options
    this.#live = new LiveConnections({
      levelOf: (peerId) => {
        for (const each of engine.neighbours) if (each.peerId === peerId) return each.state === 'restricted' ? 'restricted' : 'trusted'
        return 'restricted'
      },
      logger
    })
  }

  get connections(): ObservableList<ActiveConnection> {
    return this.#live.list
  }

  /** A connection is open. @param address null when it has none */
  opened({ peerId, displayName: name, direction, route, quality }: MeshConnection, address: string | null, stream: ByteSocket): void {
    const { admission, peerGroupId: group, clock } = this.#options
    const end = (error: KithmeshError): void => {
      this.#end(peerId, address, stream, error)
    }
    this.#live.add({ peerId, name, direction, route, quality, address, group, since: clock.now(), end }, stream)
    // It may have become unwelcome while it was being opened.
    const refusal = admission.refusal(peerId, address)
    if (refusal !== undefined) end(refusal)
  }

  /** Watches who is welcome. @returns ends it */
  start(): () => void {
    const { admission, engine } = this.#options
    const stops = [
      engine.onChanged(() => {
        this.#live.changed()
      }),
      admission.onChange((rules) => {
        this.#judgeAgain(rules)
      })
    ]
    return () => {
      for (const stop of stops) stop()
    }
  }

  #end(peerId: string, address: string | null, stream: ByteSocket, error: KithmeshError): void {
    const { engine, clock } = this.#options
    this.#ended.set(peerId, address)
    if (this.#ended.size > maxEnded) this.#ended.delete(this.#ended.keys().next().value ?? '')
    engine.disconnect(peerId, error)
    const cancel = clock.after(endMs, () => {
      stream.destroy()
    })
    stream.once('close', cancel)
  }

  /** Somebody who was welcome may no longer be, or the other way round. */
  #judgeAgain(rules: boolean): void {
    const { admission, engine } = this.#options
    this.#live.endRefused((peerId, address) => admission.refusal(peerId, address))
    for (const [id, address] of [...this.#ended]) {
      if (admission.refusal(id, address) !== undefined) continue
      this.#ended.delete(id)
      engine.release(id)
    }
    if (!rules) return
    // Whose addresses were refused shows a failed attempt like any other.
    for (const { deviceId: id, error, state } of engine.links)
      if (error !== undefined && state !== 'quarantined' && !this.#ended.has(id) && admission.refusal(id) === undefined) engine.release(id)
  }
}
