import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const STOP_MS = 15_000

/** One peer in a process of its own. */
export class PeerProcess {
  /** The address of its page; rejects when it ends before it has one. */
  readonly url: Promise<string>
  /** Resolves when it is gone, with what was wrong if it was not asked to. */
  readonly ended: Promise<string | undefined>
  readonly #child: ChildProcess
  #stopping = false

  constructor(args: readonly string[], password: string) {
    // In a process group of its own: Ctrl-C is for the starter alone, who stops the peers in order. When the starter is gone, they see the channel close.
    this.#child = fork(fileURLToPath(new URL('../peer.js', import.meta.url)), args, {
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit', 'ipc']
    })
    this.#child.stdin?.on('error', () => {})
    this.#child.stdin?.end(`${password}\n`)
    this.url = new Promise((resolve) => {
      let text = ''
      this.#child.stdout?.on('data', (data: Buffer) => {
        text += data.toString()
        const found = /^.+: (http:\S+)\n/m.exec(text)?.[1]
        if (found !== undefined) resolve(found)
      })
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(error.message))
      this.#child.once('exit', (code, signal) =>
        resolve(this.#stopping || code === 0 ? undefined : `ended unexpectedly (${signal ?? `exit code ${code}`})`)
      )
    })
  }

  /** Asks it to close its database and leave; when that takes very long it is killed, which the database survives too. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#child.connected) this.#child.disconnect()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS)
    await this.ended
    clearTimeout(timer)
  }
}
