import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command, PeerSettings, PeerView, Report } from './messages.ts'

/** A running peer as the starter sees it. */
export class PeerProcess {
  readonly settings: PeerSettings
  view: PeerView | undefined
  readonly #child: ChildProcess
  readonly #exited: Promise<boolean>
  #stopping = false

  constructor(settings: PeerSettings, onReport: (report: Report) => void) {
    this.settings = settings
    // In a process group of its own: Ctrl-C is for the starter alone, who stops the peers in order. When the starter is gone, they see the channel close.
    this.#child = fork(fileURLToPath(new URL('./peer.js', import.meta.url)), {
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc']
    })
    this.#child.on('message', (report: Report) => {
      if (report.is === 'view') this.view = report.view
      onReport(report)
    })
    this.#exited = new Promise((resolve) => {
      const ended = (how: string, orderly: boolean): void => {
        if (!this.#stopping) onReport({ is: 'failed', message: `${settings.name} ended unexpectedly (${how})` })
        resolve(orderly)
      }
      this.#child.once('exit', (code, signal) => {
        ended(signal ?? `exit code ${code ?? 0}`, code === 0)
      })
      this.#child.once('error', (error) => {
        if (this.#child.pid === undefined) ended(error.message, false)
      })
    })
    this.#send(settings)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  edit(): void {
    this.#send({ do: 'edit' })
  }

  /**
   * Asks the peer to close its database and leave; when that takes very long it is killed, which the database survives too.
   * @returns whether it ended in order.
   */
  async stop(): Promise<boolean> {
    this.#stopping = true
    this.#send({ do: 'stop' })
    const timer = setTimeout(() => {
      this.#child.kill('SIGKILL')
    }, 15_000)
    const orderly = await this.#exited
    clearTimeout(timer)
    return orderly
  }

  /** As a power failure would. */
  kill(): void {
    this.#stopping = true
    this.#child.kill('SIGKILL')
  }

  /** A peer that has just ended gets nothing more. */
  #send(message: PeerSettings | Command): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }
}
