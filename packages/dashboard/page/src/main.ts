// The page: what the program tells comes in, the views show it.
import type { DashboardEvent } from '@kithmesh/dashboard/contracts'
import { ActivityView } from './activity-view.ts'
import { whenSignedOut } from './api.ts'
import { DeviceDetail } from './device-detail.ts'
import { DeviceList } from './device-list.ts'
import { DocumentsView } from './documents-view.ts'
import { byId, el, fill, setAttributes, setText } from './dom.ts'
import { deviceName, formatAgo, formatTime, printable, shortId } from './format.ts'
import type { Freshness } from './freshness.ts'
import { graphOf } from './graph-model.ts'
import { GraphView } from './graph-view.ts'
import { Legend } from './legend.ts'
import { LiveConnection } from './live.ts'
import { PageModel } from './model.ts'
import { Notices } from './notices.ts'
import { card } from './parts.ts'
import { formatRoute, parseRoute } from './router.ts'
import { themeButton } from './theme.ts'
import { Tiles } from './tiles.ts'

/** The contract that this page speaks. */
const VERSION = 1

const model = new PageModel()
const graph = new GraphView({
  historyOf: (id) => model.history(id),
  onSelect: (id) => {
    location.hash = formatRoute(id === model.state?.self.peerId ? { view: 'overview' } : { view: 'overview', device: id })
  }
})
const legend = new Legend()
const tiles = new Tiles()
const detail = new DeviceDetail()
const devices = new DeviceList((id) => model.history(id))
const notices = new Notices()
const documents = new DocumentsView()
const activity = new ActivityView((id) => model.nameOf(id))

const views = {
  overview: el(
    'div',
    { class: 'view overview' },
    tiles.root,
    el('div', { class: 'stage' }, card('Mesh', { className: 'graph-card' }, graph.root, legend.root), detail.root),
    devices.root,
    notices.root
  ),
  documents: el('div', { class: 'view' }, documents.root),
  activity: el('div', { class: 'view' }, activity.root)
} as const

let route = parseRoute(location.hash)
let dirty = true

function render(): void {
  const { state } = model
  if (state === undefined) return
  const now = Date.now()
  const { self } = state
  const name = deviceName(self.displayName, self.peerId)
  const title = printable(state.title, 60)
  const about = [shortId(self.peerId), `group ${printable(self.peerGroupId, 40)}`]
  setText(byId('title'), title)
  setText(byId('subtitle'), (title === name ? about : [name, ...about]).join(' · '))
  document.title = title === name ? `${name} – Kithmesh` : `${name} – ${title}`
  if (route.view === 'overview') {
    const selected = route.device
    const picture = graphOf(state, (id) => model.nameOf(id))
    tiles.show(state, model.total, now)
    graph.show(picture, selected ?? self.peerId)
    legend.show(picture)
    detail.show(state, selected, selected === undefined ? undefined : model.history(selected), now)
    devices.show(state, selected)
    notices.show(state)
  } else if (route.view === 'activity') activity.show(model.activity)
}

/** Draws once for all that came since the last frame. */
function renderSoon(): void {
  if (dirty) return
  dirty = true
  const draw = (): void => {
    dirty = false
    render()
  }
  // A hidden page has no frames; it catches up when it is looked at.
  if (document.visibilityState === 'visible') requestAnimationFrame(draw)
  else setTimeout(draw, 500)
}

function go(): void {
  route = parseRoute(location.hash)
  for (const [name, view] of Object.entries(views)) view.hidden = name !== route.view
  for (const link of document.querySelectorAll('nav a'))
    setAttributes(link, { 'aria-current': link.getAttribute('data-view') === route.view ? 'page' : null })
  documents.go(route)
  renderSoon()
}

function onEvent(event: DashboardEvent): void {
  if (event.type === 'state' && (event.data.version as number) !== VERSION) {
    reloadOnce()
    return
  }
  const sentences = model.take(event, Date.now())
  if (sentences.length > 0) setText(byId('announcements'), sentences.slice(0, 3).join('. '))
  if (event.type === 'state') documents.take(event.data)
  if (event.type === 'documents') {
    documents.moved(event.data)
    if (route.view === 'overview') graph.fly(event.data)
  }
  renderSoon()
}

/** A program of another version serves another page. */
function reloadOnce(): void {
  const banner = 'This page is older or newer than the program. Load it again.'
  if (sessionStorage.getItem('reloaded') === null) {
    sessionStorage.setItem('reloaded', 'yes')
    location.reload()
  } else showBanner(banner)
}

function showBanner(text: string | undefined): void {
  const banner = byId('banner')
  banner.hidden = text === undefined
  if (text !== undefined) setText(banner, text)
}

function onFreshness(freshness: Freshness): void {
  const pill = byId('freshness')
  const { is } = freshness
  pill.className = `pill ${is}`
  document.body.classList.toggle('stale', is === 'stale' || is === 'signed-out')
  if (is === 'live') setText(pill, 'Live')
  else if (is === 'reconnecting') setText(pill, 'Reconnecting …')
  else if (is === 'stale') setText(pill, `Stale: from ${formatAgo(freshness.forMs)}`)
  else setText(pill, 'Signed out')
  const last = model.state === undefined ? '' : ` What you see is from ${formatTime(model.state.at)}.`
  if (is === 'signed-out')
    showBanner(
      `The program has been started anew and wants its new token. Open the address that it printed when it started; that has the token in it.${last}`
    )
  else if (is === 'stale') showBanner(`The program does not answer; this page goes on trying.${last}`)
  else showBanner(undefined)
}

fill(byId('main'), ...Object.values(views))
themeButton(byId('theme'))
byId('skip').addEventListener('click', () => byId('main').focus())
addEventListener('hashchange', go)
dirty = false
go()

const live = new LiveConnection({ onEvent, onFreshness, onInterrupted: () => model.interrupted() })
whenSignedOut(() => live.signOut())
live.start()
// Rates fall back to nothing by themselves, without any event.
setInterval(renderSoon, 1000)
