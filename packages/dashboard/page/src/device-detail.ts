// Everything about the device that was chosen.
import type { DashboardDevice, DashboardState, DeviceReport } from '@kithmesh/dashboard/contracts'
import { getJson, query, RequestFailed } from './api.ts'
import { routeAddress } from './device-list.ts'
import { el, fill } from './dom.ts'
import { deviceName, formatBytes, formatCount, formatDuration, formatRate, formatSpan, plural, printable, shortId } from './format.ts'
import { prefixFinder } from './graph-model.ts'
import { meaningOf, qualityLabel } from './palette.ts'
import { card, facts, nothing, problemBlock, routeBadge, Sparkline, stateBadge } from './parts.ts'
import type { RateHistory } from './rates.ts'
import { formatRoute } from './router.ts'

export class DeviceDetail {
  readonly root: HTMLElement
  readonly #body = el('div', { class: 'detail' })
  readonly #report = el('div', { class: 'report' })
  readonly #reportButton = el('button', { type: 'button', hidden: true }, 'What was tried')
  readonly #heading: HTMLElement
  readonly #line = new Sparkline()
  #device: string | undefined
  #shown = ''
  #asked: AbortController | undefined

  constructor() {
    this.root = card('This device', { className: 'detail-card' }, this.#body, this.#reportButton, this.#report)
    this.#heading = this.root.querySelector('h2') as HTMLElement
    this.#reportButton.addEventListener('click', () => void this.#askReport())
  }

  show(state: DashboardState, selected: string | undefined, history: RateHistory | undefined, now: number): void {
    const device = state.devices.find(({ id }) => id === selected)
    const node = state.topology.find(({ peerId }) => peerId === selected)
    if (selected !== this.#device) {
      this.#device = selected
      this.#asked?.abort()
      this.#report.replaceChildren()
    }
    this.#reportButton.hidden = device?.hasReport !== true
    if (selected === undefined || selected === state.self.peerId) this.#showSelf(state)
    else if (device !== undefined) this.#showDevice(state, device, history, now)
    else if (node !== undefined) {
      this.#render(deviceName(node.displayName, node.peerId), node, [
        el(
          'p',
          {},
          node.reached
            ? 'Others have told of it, and documents reach it through them.'
            : 'Others have told of it; it cannot be reached at the moment.'
        ),
        facts([
          ['Peer id', el('code', { class: 'id' }, node.peerId)],
          ['Linked with', this.#neighbours(state, node.neighbours)]
        ])
      ])
    } else this.#render(shortId(selected), selected, [nothing('This device is not there any more.')])
  }

  #showSelf({ self, transports, network, topology, startedAt, collections }: DashboardState): void {
    this.#render(
      'This device',
      [self, transports, network, startedAt, collections.length, topology.length],
      [
        el('p', { class: 'detail-name' }, deviceName(self.displayName, self.peerId)),
        facts([
          ['Peer id', el('code', { class: 'id' }, self.peerId)],
          ['Group', printable(self.peerGroupId, 80)],
          ['Mesh', self.meshState],
          ['Port', self.port === null ? null : String(self.port)],
          ['Database', printable(self.databaseName, 80)],
          ['Versioning', printable(self.versioning, 40)],
          ['Transports', transports.map((name) => printable(name, 30)).join(', ')]
        ]),
        network.routes.length > 0 && el('h3', {}, 'Network'),
        facts(
          network.routes
            .slice(0, 16)
            .map(({ localAddress, externalAddress, tcp, udp }) => [
              printable(localAddress, 50),
              el(
                'span',
                {},
                externalAddress === null || externalAddress === localAddress ? '' : `${printable(externalAddress, 50)} outside `,
                el('span', { class: 'soft' }, natLabel(tcp, udp))
              )
            ])
        ),
        el('p', { class: 'soft' }, 'Choose a device in the graph or the table to see its details.')
      ]
    )
  }

  #showDevice(state: DashboardState, device: DashboardDevice, history: RateHistory | undefined, now: number): void {
    const { traffic } = device
    const rate =
      history === undefined
        ? ''
        : `${formatRate(history.rate(now, 'documentsIn'))} in, ${formatRate(history.rate(now, 'documentsOut'))} out per second`
    const node = state.topology.find(({ peerId }) => peerId === device.id)
    if (history !== undefined) this.#line.show(history.series(now - 1000, 'documentsIn'), history.series(now - 1000, 'documentsOut'))
    const since = formatSpan(state.at - device.since)
    this.#render(
      deviceName(device.displayName, device.id),
      [device.id, { ...device, rate: null }, rate, since, node?.neighbours],
      [
        el('p', {}, stateBadge(device.state), ' ', el('span', { class: 'soft' }, since === 'now' ? 'just now' : `for ${since}`)),
        el('p', { class: 'soft' }, meaningOf(device.state).explanation),
        device.error === null ? null : problemBlock(device.error),
        facts([
          [
            'Route',
            device.route === null
              ? null
              : el(
                  'span',
                  {},
                  routeBadge(device.transport, device.quality),
                  ' ',
                  el('span', { class: 'address' }, printable(routeAddress(device.route), 120))
                )
          ],
          ['Quality', device.route === null ? null : qualityLabel(device.quality)],
          [
            'Direction',
            device.direction === null
              ? null
              : device.direction === 'outgoing'
                ? 'outgoing: this device connected'
                : 'incoming: it connected'
          ],
          ['Documents', `↓ ${formatCount(traffic.documentsIn)}  ↑ ${formatCount(traffic.documentsOut)}`],
          ['Data', `↓ ${formatBytes(traffic.bytesIn)}  ↑ ${formatBytes(traffic.bytesOut)}`],
          ['Moving', rate],
          ['Listed as', device.trust === null ? null : printable(device.trust, 60)],
          ['Linked with', node === undefined ? null : this.#neighbours(state, node.neighbours)],
          ['Peer id', el('code', { class: 'id' }, printable(device.id, 200))]
        ]),
        this.#line.root,
        device.sightings.length > 0 &&
          el(
            'ul',
            { class: 'plain' },
            ...device.sightings.map(({ provider, displayName, connectable }) =>
              el(
                'li',
                {},
                `Seen by ${printable(provider, 40)} as “${printable(displayName, 60)}”${connectable ? '' : ', which cannot be connected to'}`
              )
            )
          )
      ]
    )
  }

  #neighbours(state: DashboardState, neighbours: readonly string[]): HTMLElement | null {
    if (neighbours.length === 0) return null
    const find = prefixFinder(state.topology.map(({ peerId }) => peerId))
    const list = el('span', {})
    for (const [index, neighbour] of neighbours.slice(0, 12).entries()) {
      const id = find(neighbour)
      const node = state.topology.find(({ peerId }) => peerId === id)
      if (index > 0) list.append(', ')
      list.append(
        id === state.self.peerId
          ? 'this device'
          : id === undefined
            ? shortId(neighbour)
            : el('a', { href: formatRoute({ view: 'overview', device: id }) }, deviceName(node?.displayName ?? null, id))
      )
    }
    if (neighbours.length > 12) list.append(` and ${plural(neighbours.length - 12, 'other')}`)
    return list
  }

  /** Replaces what is shown when it is different, so that a selection of text lasts. */
  #render(title: string, key: unknown, children: readonly (Node | null | false)[]): void {
    const shown = JSON.stringify([title, key])
    if (shown === this.#shown) return
    this.#shown = shown
    this.#heading.textContent = title
    fill(this.#body, ...children)
  }

  async #askReport(): Promise<void> {
    const device = this.#device
    if (device === undefined) return
    this.#asked?.abort()
    const asked = new AbortController()
    this.#asked = asked
    fill(this.#report, el('p', { class: 'soft' }, 'Asking …'))
    try {
      const report = await getJson<DeviceReport>(query('/api/report', { device }), { signal: asked.signal })
      fill(this.#report, reportTable(report))
    } catch (error) {
      if (asked.signal.aborted) return
      if (!(error instanceof RequestFailed)) throw error
      fill(this.#report, error.status === 404 ? nothing('Nothing has been tried yet.') : problemBlock(error.problem))
    }
  }
}

function natLabel(tcp: string, udp: string): string {
  if (tcp === 'unknown' && udp === 'unknown') return ''
  return tcp === udp ? `NAT: ${printable(tcp, 40)}` : `NAT: ${printable(tcp, 40)} (TCP), ${printable(udp, 40)} (UDP)`
}

const outcomes = { running: 'running', won: 'connected', lost: 'another was faster', failed: 'failed', skipped: 'skipped' } as const

function reportTable(report: DeviceReport): HTMLElement {
  return el(
    'div',
    { class: 'scroll' },
    el(
      'table',
      { class: 'attempts' },
      el('caption', {}, `The latest attempt: ${report.state}, ${formatDuration(report.elapsedMs)}`),
      el('thead', {}, el('tr', {}, ...['Route', 'Address', 'Outcome', 'Took'].map((title) => el('th', { scope: 'col' }, title)))),
      el(
        'tbody',
        {},
        ...report.attempts.slice(0, 60).map((attempt) => {
          const tone = attempt.state === 'won' ? 'good' : attempt.state === 'failed' ? 'bad' : 'quiet'
          return el(
            'tr',
            {},
            el('td', {}, printable(attempt.strategy, 30), el('span', { class: 'soft' }, ` ${printable(attempt.provider, 30)}`)),
            el('td', { class: 'address' }, attempt.address === null ? '—' : printable(attempt.address, 80)),
            el(
              'td',
              {},
              el('span', { class: `tone-${tone}` }, `${outcomes[attempt.state] ?? printable(attempt.state, 20)}`),
              attempt.state === 'won' ? null : ` (${printable(attempt.phase, 30)})`,
              attempt.message !== null && el('span', { class: 'why' }, printable(attempt.message, 200)),
              attempt.hint !== null && el('span', { class: 'why soft' }, printable(attempt.hint, 200)),
              attempt.code !== null && el('code', { class: 'soft' }, printable(attempt.code, 50))
            ),
            el('td', { class: 'numbers' }, formatDuration(attempt.elapsedMs))
          )
        })
      )
    )
  )
}
