// All devices as a table: the same as the graph shows, for reading and for those who do not see the graph.
import type { DashboardDevice, DashboardState } from '@kithmesh/dashboard/contracts'
import { el, fill, KeyedList, type Row, setAttributes, setText } from './dom.ts'
import { deviceName, formatBytes, formatCount, formatRate, printable, shortId } from './format.ts'
import { isConnected } from './palette.ts'
import { card, routeBadge, stateBadge } from './parts.ts'
import type { RateHistory } from './rates.ts'
import { formatRoute } from './router.ts'

const MAX_ROWS = 200

export class DeviceList {
  readonly root: HTMLElement
  readonly #rows: KeyedList<DashboardDevice>
  readonly #more = el('p', { class: 'soft pad' })
  readonly #empty = el(
    'p',
    { class: 'nothing' },
    'No other device has been found yet. The ones in the same group appear here by themselves.'
  )
  readonly #table: HTMLElement
  readonly #historyOf: (id: string) => RateHistory | undefined
  #selected: string | undefined

  constructor(historyOf: (id: string) => RateHistory | undefined) {
    this.#historyOf = historyOf
    const body = el('tbody')
    this.#table = el(
      'table',
      { class: 'devices' },
      el('thead', {}, el('tr', {}, ...['Device', 'State', 'Route', 'Documents', 'Data'].map((title) => el('th', { scope: 'col' }, title)))),
      body
    )
    this.root = card('Devices', { className: 'device-list' }, this.#empty, el('div', { class: 'scroll' }, this.#table), this.#more)
    this.#rows = new KeyedList(
      body,
      (device) => device.id,
      (device) => this.#row(device)
    )
  }

  show(state: DashboardState, selected: string | undefined): void {
    this.#selected = selected
    const order = (device: DashboardDevice): string =>
      `${isConnected(device) ? 0 : device.state === 'standby' || device.state === 'connecting' ? 1 : 2} ${device.displayName.toLowerCase()} ${device.id}`
    const devices = [...state.devices].map((device) => [order(device), device] as const).sort(([a], [b]) => (a < b ? -1 : 1))
    this.#rows.show(devices.slice(0, MAX_ROWS).map(([, device]) => device))
    this.#empty.hidden = devices.length > 0
    this.#table.hidden = devices.length === 0
    const hidden = state.deviceCount - Math.min(devices.length, MAX_ROWS)
    this.#more.hidden = hidden <= 0
    setText(this.#more, `and ${formatCount(hidden)} more`)
  }

  #row(device: DashboardDevice): Row<DashboardDevice> {
    const name = el('a', { class: 'device-name' })
    const id = el('code', { class: 'soft' })
    const stateCell = el('td', { 'data-label': 'State' })
    const route = el('td', { 'data-label': 'Route' })
    const documents = el('td', { 'data-label': 'Documents', class: 'numbers' })
    const bytes = el('td', { 'data-label': 'Data', class: 'numbers' })
    const root = el('tr', {}, el('th', { scope: 'row' }, name, ' ', id), stateCell, route, documents, bytes)
    setAttributes(name, { href: formatRoute({ view: 'overview', device: device.id }) })
    let shown = ''
    return {
      root,
      update: (next) => {
        const now = Date.now()
        const history = this.#historyOf(next.id)
        const rate = (key: 'documentsIn' | 'documentsOut'): string => {
          const value = history?.rate(now, key) ?? 0
          return value === 0 ? '' : ` (${formatRate(value)}/s)`
        }
        setText(name, deviceName(next.displayName, next.id))
        setText(id, shortId(next.id))
        setAttributes(root, {
          class: next.id === this.#selected ? 'selected' : null,
          'aria-current': next.id === this.#selected ? 'true' : null
        })
        const { traffic } = next
        setText(
          documents,
          `↓ ${formatCount(traffic.documentsIn)}${rate('documentsIn')}  ↑ ${formatCount(traffic.documentsOut)}${rate('documentsOut')}`
        )
        setText(bytes, `↓ ${formatBytes(traffic.bytesIn)}  ↑ ${formatBytes(traffic.bytesOut)}`)
        const key = JSON.stringify([next.state, next.route, next.quality, next.error])
        if (key === shown) return
        shown = key
        fill(stateCell, stateBadge(next.state), next.error !== null && el('span', { class: 'why' }, printable(next.error.message, 90)))
        fill(
          route,
          next.route === null
            ? el('span', { class: 'soft' }, '—')
            : el(
                'span',
                {},
                routeBadge(next.transport, next.quality),
                ' ',
                el('span', { class: 'soft address' }, printable(routeAddress(next.route), 60))
              )
        )
      }
    }
  }
}

/** A route without its first word, which is the transport. */
export function routeAddress(route: string): string {
  const space = route.indexOf(' ')
  return space === -1 ? '' : route.slice(space + 1)
}
