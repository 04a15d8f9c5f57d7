// What happened since the page was opened, newest first.
import type { DocumentsNotice } from '@kithmesh/dashboard/contracts'
import { el, KeyedList, type Row, setAttributes, setText } from './dom.ts'
import { deviceName, formatTime, plural, printable } from './format.ts'
import { type Activity, sentence } from './model.ts'
import { nameOrId } from './notices.ts'
import { card, nothing, problemBlock } from './parts.ts'
import { formatRoute } from './router.ts'

const kinds = [
  { value: 'all', label: 'Everything' },
  { value: 'documents', label: 'Documents' },
  { value: 'device', label: 'Devices' },
  { value: 'conflict', label: 'Conflicts' },
  { value: 'refused', label: 'Turned away' }
] as const

type Kind = (typeof kinds)[number]['value']

export class ActivityView {
  readonly root: HTMLElement
  readonly #rows: KeyedList<Activity>
  readonly #empty = nothing('Nothing has happened since this page was opened.')
  readonly #pause = el('button', { type: 'button', 'aria-pressed': 'false' }, 'Pause')
  #kind: Kind = 'all'
  #paused = false
  #all: readonly Activity[] = []

  /** `nameOf` says what a device is called by now, which may be more than was known when something happened to it. */
  constructor(nameOf: (deviceId: string) => string | undefined) {
    const list = el('ol', { class: 'activity plain' })
    this.#rows = new KeyedList(
      list,
      ({ key }) => String(key),
      (entry) => activityRow(entry, nameOf)
    )
    const choice = el('select', { 'aria-label': 'Show' }, ...kinds.map(({ value, label }) => el('option', { value }, label)))
    choice.addEventListener('change', () => {
      this.#kind = choice.value as Kind
      this.#render()
    })
    this.#pause.addEventListener('click', () => {
      this.#paused = !this.#paused
      setAttributes(this.#pause, { 'aria-pressed': String(this.#paused) })
      this.#pause.textContent = this.#paused ? 'Go on' : 'Pause'
      if (!this.#paused) this.#render()
    })
    this.root = card('Activity', { extra: el('div', { class: 'controls' }, choice, this.#pause) }, this.#empty, list)
  }

  show(activity: readonly Activity[]): void {
    this.#all = activity
    if (!this.#paused) this.#render()
  }

  #render(): void {
    const shown = this.#all.filter(({ kind }) => this.#kind === 'all' || kind === this.#kind)
    this.#empty.hidden = shown.length > 0
    this.#rows.show(shown)
  }
}

function activityRow(entry: Activity, nameOf: (deviceId: string) => string | undefined): Row<Activity> {
  const time = el('time', { class: 'soft', datetime: new Date(entry.at).toISOString() }, formatTime(entry.at))
  const names: (() => void)[] = []
  /** A link to a device whose text follows the device's name. */
  const device = (id: string, name: string, text = (known: string) => deviceName(known, id), tone: string | null = null): HTMLElement => {
    const link = el('a', { href: formatRoute({ view: 'overview', device: id }), class: tone })
    names.push(() => setText(link, text(nameOf(id) ?? name)))
    return link
  }
  const root = el('li', { class: `activity-${entry.kind}` }, time, ' ', ...describe(entry, device))
  return {
    root,
    update: () => {
      for (const follow of names) follow()
    }
  }
}

type DeviceLink = (id: string, name: string, text?: (known: string) => string, tone?: string | null) => HTMLElement

function describe(entry: Activity, device: DeviceLink): (Node | string)[] {
  if (entry.kind === 'device')
    return [device(entry.deviceId, entry.displayName, (known) => printable(sentence(entry, known), 200), entry.good ? null : 'tone-bad')]
  if (entry.kind === 'conflict') {
    const { collection, id, taken, deviceId, displayName } = entry.notice
    return [
      'conflict in ',
      el('a', { href: formatRoute({ view: 'documents', collection, document: id }) }, printable(id, 80)),
      ` with a revision from `,
      device(deviceId, displayName),
      `: ${taken === 'undecided' ? 'not decided yet' : taken}`
    ]
  }
  if (entry.kind === 'refused') {
    const { by, deviceId, displayName } = entry.notice
    const who = nameOrId(displayName, deviceId)
    return [by === 'us' ? `turned away ${who}` : `${who} turned this device away`, problemBlock(entry.notice)]
  }
  return describeDocuments(entry.notice, device)
}

function describeDocuments(notice: DocumentsNotice, device: DeviceLink): (Node | string)[] {
  const counts = [
    notice.in > 0 && `↓ ${plural(notice.in, 'document')} from`,
    notice.out > 0 && `↑ ${plural(notice.out, 'document')} to`,
    notice.failed > 0 && `${plural(notice.failed, 'document')} failed with`
  ].filter((text) => text !== false)
  const parts: (Node | string)[] = [`${counts.join(', ')} `, device(notice.deviceId, notice.displayName)]
  const list = el('span', { class: 'moved soft' })
  for (const [index, { collection, id, error }] of notice.documents.slice(0, 5).entries()) {
    list.append(index === 0 ? ' ' : ', ')
    list.append(el('a', { href: formatRoute({ view: 'documents', collection, document: id }) }, printable(id, 60)))
    if (error !== null) list.append(el('span', { class: 'tone-bad' }, ` ${printable(error.message, 120)}`))
  }
  const rest = notice.in + notice.out + notice.failed - Math.min(5, notice.documents.length)
  if (rest > 0) list.append(` and ${rest} more`)
  parts.push(list)
  return parts
}
