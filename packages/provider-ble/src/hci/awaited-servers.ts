import type { Clock } from '@kithmesh/core/plugin'
import type { HciLink } from './acl-link.ts'
import type { LibraryCommands } from './library-commands.ts'
import type { ControllerView } from './library-stack.ts'

/** Milliseconds for which a peer's request waits for a library that can serve it: less than peers wait for answers, and many may come at once. */
const SERVER_MS = 4_000

/** Libraries of the peripheral role for peers that ask although they did not connect to us, and the links that wait for one. */
export class AwaitedServers {
  readonly #clock: Clock
  readonly #commands: Pick<LibraryCommands, 'open' | 'taken'>
  /** In the order in which they came, with what ends their waiting. */
  readonly #waiting = new Map<HciLink, () => void>()

  constructor(clock: Clock, commands: Pick<LibraryCommands, 'open' | 'taken'>) {
    this.#clock = clock
    this.#commands = commands
  }

  /** One that is free, and is not from now on. */
  take(): ControllerView | undefined {
    const view = this.#commands.open
    if (view !== undefined) this.#commands.taken()
    return view
  }

  /** The libraries of the link are given one, or none when it takes too long. */
  wait(link: HciLink): void {
    const cancel = this.#clock.after(SERVER_MS, () => {
      this.#waiting.delete(link)
      link.libraries.serve(undefined)
    })
    this.#waiting.set(link, cancel)
  }

  /** One may have become free. */
  serveNext(): void {
    for (const link of [...this.#waiting.keys()]) {
      const view = this.#commands.open
      if (view === undefined) return
      this.forget(link)
      // A link that is ending takes nobody: then the library goes on advertising, and must not count as taken.
      if (link.libraries.serve(view)) this.#commands.taken()
    }
  }

  /** It is gone. */
  forget(link: HciLink): void {
    this.#waiting.get(link)?.()
    this.#waiting.delete(link)
  }
}
