import type { SignalingChannel } from '@kithmesh/core'

/**
 * Signalling inside the process: every channel made here reaches every other one, by peer id. Messages arrive in a later turn of the event
 * loop, in order and once.
 */
export class MemorySignaling {
  readonly #receivers = new Map<string, Set<(fromPeerId: string, message: Uint8Array) => void>>()
  /** Messages that were sent, oldest first. */
  readonly sent: Array<{ readonly from: string; readonly to: string; readonly message: Uint8Array }> = []
  /** Loses a message when it returns true. */
  loses: (from: string, to: string, message: Uint8Array) => boolean = () => false

  /** The channel of one device. */
  channel(peerId: string): SignalingChannel {
    const receivers = new Set<(fromPeerId: string, message: Uint8Array) => void>()
    this.#receivers.set(peerId, receivers)
    return {
      reaches: (to) => this.#receivers.has(to),
      send: async (to, message, { signal }) => {
        signal.throwIfAborted()
        const copy = Uint8Array.from(message)
        this.sent.push({ from: peerId, to, message: copy })
        if (this.loses(peerId, to, copy)) return
        setImmediate(() => {
          for (const receive of this.#receivers.get(to) ?? []) receive(peerId, copy)
        })
      },
      onMessage: (receive) => {
        receivers.add(receive)
        return () => {
          receivers.delete(receive)
        }
      }
    }
  }

  /** The device is no longer there. */
  remove(peerId: string): void {
    this.#receivers.delete(peerId)
  }
}
