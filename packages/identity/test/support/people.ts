import type { KnownPeer } from '@kithmesh/core'
import type { FirstUsePeers, PairedPeers, PairingOptions } from '@kithmesh/identity'

/** Two people who compare what their devices show, and say yes when it is the same. */
export class People {
  readonly codes: string[] = []
  #waiting: (() => void)[] = []

  readonly confirm: PairingOptions['confirm'] = async (code, _peer, { signal }) => {
    this.codes.push(code)
    for (const wake of this.#waiting.splice(0)) wake()
    while (this.codes.length < 2) {
      if (signal.aborted) return false
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve)
        signal.addEventListener('abort', () => {
          resolve()
        })
      })
    }
    return this.codes[0] === this.codes[1]
  }
}

/** Known peers in memory. */
export class MemoryPeers implements PairedPeers, FirstUsePeers {
  readonly entries = new Map<string, KnownPeer>()

  get list(): { readonly current: readonly KnownPeer[] } {
    return { current: [...this.entries.values()] }
  }

  get(peerId: string): KnownPeer | undefined {
    return this.entries.get(peerId)
  }

  async remember({ peerId, name, level, how }: Parameters<PairedPeers['remember']>[0]): Promise<void> {
    this.entries.set(peerId, { peerId, name, level, how, since: 0, lastSeen: 0 })
  }
}
