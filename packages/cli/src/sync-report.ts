import { type ConnectionReport, type ProviderStatus, errorCode, formatConnectionReport, isKithmeshError } from '@kithmesh/core'
import type { Mesh, MeshLink } from '@kithmesh/mesh'
import type { DocumentEvent } from '@kithmesh/replicator'
import { counted } from './counted.ts'
import { type Io, jsonLine, line } from './io.ts'
import { printable } from './printable.ts'
import type { Refusal } from './refusals.ts'

/** Tells a person or a machine what a running `sync` does: one line per event, and on a terminal a status line below. */
export class SyncReport {
  readonly #io: Io
  readonly #mesh: Mesh
  readonly #json: boolean
  readonly #known = new Map<string, string>()
  readonly #explained = new Map<string, string>()
  readonly #failed = new Map<string, string>()
  readonly #off: (() => void)[]
  #stopping = false
  /** What happens while the start is not told yet, to be told after it. */
  #held: (() => void)[] | undefined = []

  constructor(io: Io, mesh: Mesh, json: boolean) {
    this.#io = io
    this.#mesh = mesh
    this.#json = json
    this.#off = [
      mesh.onChanged(() => {
        if (this.#held === undefined) this.#changed()
      }),
      mesh.onDocuments((deviceId, events) => {
        this.#inTurn(() => {
          this.#documents(deviceId, events)
        })
      })
    ]
  }

  started(facts: {
    readonly name: string
    readonly peerId: string
    readonly group: string
    readonly port: number | undefined
    readonly versioning: string
  }): void {
    if (this.#json) jsonLine(this.#io, { event: 'started', ...facts })
    else line(this.#io, `${facts.name} is in group ${facts.group}, listening on port ${facts.port ?? '—'}\nour id: ${facts.peerId}`)
    this.#changed()
    this.#release()
  }

  /** Where the page is; whoever has the address may look. */
  web(url: string): void {
    if (this.#json) jsonLine(this.#io, { event: 'web', url })
    else line(this.#io, `page: ${url}`)
  }

  refused({ name, deviceId, reason, advice }: Refusal): void {
    this.#inTurn(() => {
      this.#clearStatus()
      if (this.#json) jsonLine(this.#io, { event: 'refused', device: deviceId, name, reason, hint: advice })
      else line(this.#io, `refused ${name} ${deviceId.slice(0, 8)}: ${reason}\n  ${advice}`)
    })
  }

  /** Something that the user should change. */
  warn(message: string): void {
    if (this.#json) jsonLine(this.#io, { event: 'warning', message })
    else this.#io.stderr.write(`warning: ${message}\n`)
  }

  /** A provider failed, or works again; each once for both of its modes. */
  provider(name: string, status: ProviderStatus): void {
    if (this.#held !== undefined) {
      this.#held.push(() => {
        this.provider(name, status)
      })
      return
    }
    if (this.#stopping || (status.state !== 'failed' && status.state !== 'online')) return
    const error = status.state === 'failed' ? status.error : undefined
    const known = this.#failed.get(name)
    if (known === error?.message) return
    if (error === undefined) this.#failed.delete(name)
    else this.#failed.set(name, error.message)
    this.#clearStatus()
    const hint = isKithmeshError(error) && error.hint !== '' ? error.hint : undefined
    if (this.#json)
      jsonLine(this.#io, { event: 'provider', name, state: status.state, error: error?.message, code: errorCode(error), hint })
    else if (error === undefined) line(this.#io, `${name} works again`)
    else
      line(
        this.#io,
        `${name} does not work: ${printable(error.message)}; it is tried again${hint === undefined ? '' : `\n  ${printable(hint)}`}`
      )
  }

  /**
   * What was tried to reach a device. A person is told when it failed, and once for the same reasons; not when there is a connection, which
   * only was not replaced by a better one, and not when it was given up because everything stops.
   */
  attempted(report: ConnectionReport): void {
    if (this.#stopping) return
    if (this.#held !== undefined) {
      this.#held.push(() => {
        this.attempted(report)
      })
      return
    }
    if (this.#json) {
      jsonLine(this.#io, { event: 'report', ...report })
      return
    }
    const { deviceId } = report
    if (report.state !== 'failed') {
      this.#explained.delete(deviceId)
      return
    }
    if (this.#mesh.links.some((link) => link.deviceId === deviceId && (link.state === 'busy' || link.state === 'idle'))) return
    const reasons = JSON.stringify(report.attempts.map(({ strategy, code, message }) => [strategy, code, message]))
    if (this.#explained.get(deviceId) === reasons) return
    if (this.#explained.size >= MAX_EXPLAINED) this.#explained.clear()
    this.#explained.set(deviceId, reasons)
    this.#clearStatus()
    line(this.#io, formatConnectionReport(report).split('\n').map(printable).join('\n'))
  }

  stopping(): void {
    this.#release()
    this.#stopping = true
    for (const off of this.#off) off()
    this.#clearStatus()
  }

  stopped(): void {
    const { documentsIn, documentsOut, conflicts } = this.#mesh.statistics
    if (this.#json) jsonLine(this.#io, { event: 'stopped', ...this.#mesh.statistics })
    else line(this.#io, `stopped: ${counted(documentsIn, 'document')} in, ${documentsOut} out, ${counted(conflicts, 'conflict')} resolved`)
  }

  #inTurn(tell: () => void): void {
    if (this.#held === undefined) tell()
    else this.#held.push(tell)
  }

  #release(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const tell of held) tell()
  }

  #documents(deviceId: string, events: readonly DocumentEvent[]): void {
    this.#clearStatus()
    for (const { id, revId, direction, deleted, error } of events) {
      const arrow = direction === 'pull' ? '←' : '→'
      if (this.#json) jsonLine(this.#io, { event: 'document', device: deviceId, id, rev: revId, direction, deleted, error: error?.message })
      else if (error !== undefined) line(this.#io, `${arrow} ${printable(id)}  failed: ${printable(error.message)}`)
      else line(this.#io, `${arrow} ${printable(id)}  ${revId}${deleted ? '  deleted' : ''}`)
    }
  }

  #changed(): void {
    const links = this.#mesh.links
    for (const link of links) {
      const text = this.#json ? JSON.stringify(linkEvent(link)) : this.#describe(link)
      if (this.#known.get(link.deviceId) === text) continue
      this.#known.set(link.deviceId, text)
      this.#clearStatus()
      line(this.#io, text)
    }
    for (const id of this.#known.keys()) {
      if (links.some((link) => link.deviceId === id)) continue
      this.#known.delete(id)
      this.#clearStatus()
      if (this.#json) jsonLine(this.#io, { event: 'gone', device: id })
      else line(this.#io, `${id.slice(0, 8)} has left`)
    }
    this.#showStatus()
  }

  #describe(link: MeshLink): string {
    const connected = link.state === 'busy' || link.state === 'idle'
    const how = connected ? `connected, ${link.route ?? ''}` : link.state === 'waiting' ? 'found, it will connect to us' : link.state
    return `${printable(link.displayName)} ${link.deviceId.slice(0, 8)}  ${how}${link.error === undefined || connected ? '' : `  (${printable(link.error.message)})`}`
  }

  #showStatus(): void {
    if (!this.#io.interactive || this.#json) return
    const { documentsIn, documentsOut, bytesIn, bytesOut } = this.#mesh.statistics
    const up = this.#mesh.links.filter((link) => link.state === 'busy' || link.state === 'idle').length
    this.#io.stderr.write(
      `\r${up} connected   in ${documentsIn} documents ${Math.round(bytesIn / 1000)} kB   out ${documentsOut} documents ${Math.round(bytesOut / 1000)} kB\u001b[K`
    )
  }

  #clearStatus(): void {
    if (this.#io.interactive && !this.#json) this.#io.stderr.write('\r\u001b[K')
  }
}

/** Devices whose last failure is remembered. */
const MAX_EXPLAINED = 1_000

/** A link for machines, which are told of every state; people are not told when a connected one is busy. */
function linkEvent({ deviceId, displayName, state, direction, route, quality, error }: MeshLink): object {
  const { code, hint } = (error ?? {}) as { code?: string; hint?: string }
  return { event: 'link', device: deviceId, name: displayName, state, direction, route, quality, error: error?.message, code, hint }
}
