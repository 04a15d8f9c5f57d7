// The row of figures at the top.
import type { DashboardState } from '@kithmesh/dashboard/contracts'
import { el, setText } from './dom.ts'
import { formatBytes, formatCount, formatRate, plural } from './format.ts'
import { isConnected } from './palette.ts'
import { Sparkline } from './parts.ts'
import type { RateHistory } from './rates.ts'

class Tile {
  readonly root: HTMLElement
  readonly #value = el('p', { class: 'tile-value' })
  readonly #detail = el('p', { class: 'soft' })

  constructor(title: string, extra?: Element) {
    this.root = el('div', { class: 'tile card' }, el('h2', {}, title), this.#value, this.#detail, extra)
  }

  show(value: string, detail: string, tone = ''): void {
    setText(this.#value, value)
    setText(this.#detail, detail)
    this.#value.className = `tile-value ${tone}`.trim()
  }
}

export class Tiles {
  readonly root: HTMLElement
  readonly #documentsLine = new Sparkline()
  readonly #bytesLine = new Sparkline()
  readonly #devices = new Tile('Devices')
  readonly #documents = new Tile('Documents', this.#documentsLine.root)
  readonly #bytes = new Tile('Data', this.#bytesLine.root)
  readonly #attention = new Tile('Attention')

  constructor() {
    this.root = el('div', { class: 'tiles' }, this.#devices.root, this.#documents.root, this.#bytes.root, this.#attention.root)
  }

  show(state: DashboardState, history: RateHistory, now: number): void {
    const connected = state.devices.filter(isConnected).length
    const others = state.devices.filter(({ state: its }) => its === 'standby').length
    const away = state.deviceCount - connected - others
    this.#devices.show(
      `${formatCount(connected)} connected`,
      [others > 0 && `${formatCount(others)} through others`, away > 0 && `${formatCount(away)} not connected`]
        .filter((text) => text !== false)
        .join(', ') || (connected === 0 ? 'nobody found yet' : 'all that were found')
    )
    const { documentsIn, documentsOut, bytesIn, bytesOut } = state.statistics
    this.#documents.show(
      `↓ ${formatCount(documentsIn)}  ↑ ${formatCount(documentsOut)}`,
      `${formatRate(history.rate(now, 'documentsIn'))} in, ${formatRate(history.rate(now, 'documentsOut'))} out per second`
    )
    // Up to the last second that is over; the current one would always look like a fall.
    this.#documentsLine.show(history.series(now - 1000, 'documentsIn'), history.series(now - 1000, 'documentsOut'))
    this.#bytes.show(
      `↓ ${formatBytes(bytesIn)}  ↑ ${formatBytes(bytesOut)}`,
      `${formatBytes(history.rate(now, 'bytesIn'))} in, ${formatBytes(history.rate(now, 'bytesOut'))} out per second`
    )
    this.#bytesLine.show(history.series(now - 1000, 'bytesIn'), history.series(now - 1000, 'bytesOut'))
    const undecided = state.conflicts.filter(({ taken }) => taken === 'undecided').length
    const failed = state.providers.filter(({ browse, publish }) => browse.state === 'failed' || publish.state === 'failed').length
    const kept = state.devices.filter(({ state: its }) => its === 'quarantined' || its === 'restricted').length
    const wanting = [
      state.pending.length > 0 && `${plural(state.pending.length, 'device')} waiting`,
      undecided > 0 && `${plural(undecided, 'conflict')} to decide`,
      failed > 0 && `${plural(failed, 'provider')} failed`,
      kept > 0 && `${plural(kept, 'device')} kept out`
    ].filter((text) => text !== false)
    this.#attention.show(
      wanting[0] ?? 'Nothing',
      wanting.length > 1
        ? wanting.slice(1).join(', ')
        : `${plural(state.statistics.conflicts, 'conflict')} decided, ${plural(state.errors.length, 'recent error')}`,
      wanting.length > 0 ? 'tone-warn' : 'tone-good'
    )
  }
}
