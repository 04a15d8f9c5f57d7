// The lists below the graph: providers, devices that wait, conflicts, errors, devices turned away.
import type {
  ConflictNotice,
  DashboardState,
  ErrorNotice,
  PendingDevice,
  ProviderModeState,
  ProviderState,
  RefusalNotice
} from '@kithmesh/dashboard/contracts'
import { type Child, el, fill } from './dom.ts'
import { deviceName, formatAgo, formatTime, printable, shortId } from './format.ts'
import { card, nothing, problemBlock } from './parts.ts'
import { formatRoute } from './router.ts'

const SHOWN = 20

/** A card with a list that is made anew only when what it shows is different. */
class ListCard<T> {
  readonly root: HTMLElement
  readonly #list = el('div', { class: 'list' })
  readonly #item: (item: T) => HTMLElement
  readonly #empty: string
  readonly #always: boolean
  #shown = ''

  constructor(title: string, empty: string, item: (item: T) => HTMLElement, { always = true } = {}) {
    this.root = card(title, { className: 'list-card' }, this.#list)
    this.#item = item
    this.#empty = empty
    this.#always = always
  }

  show(items: readonly T[], clock = ''): void {
    const key = JSON.stringify([items.slice(0, SHOWN), items.length, clock])
    if (key === this.#shown) return
    this.#shown = key
    this.root.hidden = items.length === 0 && !this.#always
    if (items.length === 0) fill(this.#list, nothing(this.#empty))
    else {
      fill(
        this.#list,
        el('ul', { class: 'plain' }, ...items.slice(0, SHOWN).map(this.#item)),
        items.length > SHOWN && el('p', { class: 'soft' }, `and ${items.length - SHOWN} more`)
      )
    }
  }
}

export class Notices {
  readonly root: HTMLElement
  readonly #providers = new ListCard<ProviderState>(
    'Discovery',
    'No provider is set up, so devices are only met at fixed addresses.',
    providerItem
  )
  readonly #pending = new ListCard<PendingDevice>('Waiting to be let in', '', pendingItem, { always: false })
  readonly #conflicts = new ListCard<ConflictNotice>('Conflicts', 'No document was changed on two devices at once.', conflictItem)
  readonly #errors = new ListCard<ErrorNotice>('Errors', 'Nothing has gone wrong.', errorItem)
  readonly #refusals = new ListCard<RefusalNotice>('Turned away', '', refusalItem, { always: false })

  constructor() {
    this.root = el(
      'div',
      { class: 'notices' },
      this.#pending.root,
      this.#providers.root,
      this.#conflicts.root,
      this.#errors.root,
      this.#refusals.root
    )
  }

  show(state: DashboardState): void {
    this.#providers.show(state.providers)
    this.#pending.show(state.pending)
    this.#conflicts.show(state.conflicts)
    this.#errors.show(state.errors)
    this.#refusals.show(state.refusals)
  }
}

function time(at: number): HTMLElement {
  return el('time', { class: 'soft', datetime: new Date(at).toISOString(), title: formatAgo(Date.now() - at) }, formatTime(at))
}

function deviceLink(id: string | null, name: string | null): Child {
  if (id === null) return name === null ? null : printable(name, 60)
  return el('a', { href: formatRoute({ view: 'overview', device: id }) }, deviceName(name, id))
}

const modeTones = { online: 'good', starting: 'busy', offline: 'quiet', failed: 'bad' } as const

function providerItem(provider: ProviderState): HTMLElement {
  const mode = (title: string, { state }: ProviderModeState): HTMLElement =>
    el('span', { class: `badge tone-${modeTones[state] ?? 'quiet'}` }, `${title}: ${printable(state, 20)}`)
  return el(
    'li',
    {},
    el(
      'p',
      {},
      el('strong', {}, printable(provider.name, 40)),
      ' ',
      mode('browsing', provider.browse),
      ' ',
      mode('publishing', provider.publish)
    ),
    el('p', { class: 'soft' }, provider.sightings === 1 ? 'sees 1 service' : `sees ${provider.sightings} services`),
    ...[provider.browse, provider.publish].map(({ error }, index, [browse]) =>
      // Both often fail for one reason.
      error === null || (index === 1 && browse?.error?.message === error.message) ? null : problemBlock(error)
    )
  )
}

function pendingItem({ peerId, name, address, since }: PendingDevice): HTMLElement {
  return el(
    'li',
    {},
    el('p', {}, el('strong', {}, deviceName(name, peerId)), ' ', time(since)),
    el('p', { class: 'soft' }, address === null ? '' : `${printable(address, 60)} `, el('code', { class: 'id' }, printable(peerId, 80)))
  )
}

const outcomes = {
  local: 'this device’s revision was kept',
  remote: 'the other revision was taken',
  merged: 'both were merged',
  deleted: 'the document was deleted',
  undecided: 'not decided yet'
} as const

function conflictItem(conflict: ConflictNotice): HTMLElement {
  return el(
    'li',
    {},
    el(
      'p',
      {},
      time(conflict.at),
      ' ',
      el(
        'a',
        { href: formatRoute({ view: 'documents', collection: conflict.collection, document: conflict.id }) },
        printable(conflict.id, 80)
      ),
      ' ',
      el(
        'span',
        { class: `badge tone-${conflict.taken === 'undecided' ? 'warn' : 'quiet'}` },
        outcomes[conflict.taken] ?? printable(conflict.taken, 20)
      )
    ),
    el(
      'p',
      { class: 'soft' },
      'rival from ',
      deviceLink(conflict.deviceId, conflict.displayName),
      ': ',
      el('code', {}, printable(conflict.localRevision, 24)),
      ' and ',
      el('code', {}, printable(conflict.remoteRevision, 24))
    ),
    conflict.error === null ? null : problemBlock(conflict.error)
  )
}

function errorItem(error: ErrorNotice): HTMLElement {
  return el(
    'li',
    {},
    el(
      'p',
      {},
      time(error.at),
      ' ',
      el('strong', {}, `${error.area} `),
      error.deviceId === null ? printable(error.subject, 80) : deviceLink(error.deviceId, error.subject),
      error.times > 1 && el('span', { class: 'soft' }, ` ${error.times} times`)
    ),
    problemBlock(error)
  )
}

function refusalItem(refusal: RefusalNotice): HTMLElement {
  const who = deviceLink(refusal.deviceId, refusal.displayName) ?? 'a device'
  return el(
    'li',
    {},
    el(
      'p',
      {},
      time(refusal.at),
      ' ',
      ...(refusal.by === 'us' ? ['turned away ', who] : [who, ' turned this device away']),
      refusal.route !== null && el('span', { class: 'soft' }, ` ${printable(refusal.route, 80)}`)
    ),
    problemBlock(refusal)
  )
}

/** A device whose name is not known, for sentences. */
export function nameOrId(name: string | null, id: string | null): string {
  return id === null ? (name === null ? 'a device' : printable(name, 60)) : name === null ? shortId(id) : deviceName(name, id)
}
