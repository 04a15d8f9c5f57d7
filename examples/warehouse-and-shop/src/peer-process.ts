import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Command, PeerSettings, PeerView, Report } from './messages.ts'

/** A running peer as the starter sees it. */
export class PeerProcess {
  readonly settings: PeerSettings
  view: PeerView | undefined
  readonly #child: ChildProcess
  readonly #exited: Promise<number | null>

  constructor (settings: PeerSettings, onReport: (report: Report) => void) {
    this.settings = settings
    this.#child = fork(fileURLToPath(new URL('./peer.js', import.meta.url)), { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.#child.on('message', (report: Report) => {
      if (report.is === 'view') this.view = report.view
      onReport(report)
    })
    this.#exited = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        if (!this.stopping) onReport({ is: 'failed', message: `${settings.name} ended unexpectedly (${signal ?? `exit code ${code ?? 0}`})` })
        resolve(code)
      })
    })
    this.#child.send(settings)
  }

  stopping = false

  edit (): void {
    if (this.#child.connected) this.#child.send({ do: 'edit' } satisfies Command)
  }

  /** Asks the peer to close its database and leave; after ten seconds it is killed, which the database survives too. */
  async stop (): Promise<void> {
    this.stopping = true
    if (this.#child.connected) this.#child.send({ do: 'stop' } satisfies Command)
    const timer = setTimeout(() => { this.#child.kill('SIGKILL') }, 10_000)
    await this.#exited
    clearTimeout(timer)
  }
}
