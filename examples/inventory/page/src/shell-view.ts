import type { AppState } from '#contracts'
import { post } from './api.ts'
import { conflictsView } from './conflicts-view.ts'
import { type View, h, setText } from './dom.ts'
import { listView } from './list-view.ts'
import { listenerView } from './listener-view.ts'
import { neighboursView } from './neighbours-view.ts'
import { attempt } from './toast.ts'
import { counted } from './words.ts'

const tabs = [
  ['list', 'List'],
  ['listener', 'Listener'],
  ['browse', 'Nearby'],
  ['conflicts', 'Conflicts']
] as const

/** The page of somebody who is logged in: tabs where it is narrow, all beside each other where it is wide. */
export function shellView(): View<AppState> {
  let state: AppState | undefined
  const views = [listView(), listenerView(), neighboursView(), conflictsView()]
  const who = h('span', { className: 'muted' })
  const status = h('span', { className: 'chip', role: 'status' })
  const offline = h(
    'button',
    { type: 'button', 'aria-pressed': 'false', onclick: () => void attempt(() => post('/api/offline', { on: state?.offline !== true })) },
    'Work offline'
  )
  const logOut = h('button', { type: 'button', className: 'quiet', onclick: () => void attempt(() => post('/api/logout')) }, 'Log out')
  const buttons = tabs.map(([id, label]) => h('button', { type: 'button', className: 'tab', onclick: () => choose(id) }, label))
  const [list, ...side] = views.map(({ element }) => element)
  const element = h(
    'div',
    { className: 'shell' },
    h(
      'header',
      { className: 'top' },
      h('img', { src: 'icon.svg', alt: '', width: 32, height: 32 }),
      h('div', { className: 'title' }, h('h1', {}, 'Inventory'), who),
      status,
      h('span', { className: 'spring' }),
      offline,
      logOut
    ),
    h('nav', { className: 'tabs', 'aria-label': 'Parts of the page' }, ...buttons),
    h('main', {}, list, h('div', { className: 'side' }, ...side))
  )
  function choose(chosen: string): void {
    element.dataset['tab'] = chosen
    buttons.forEach((button, index) => button.setAttribute('aria-current', tabs[index]?.[0] === chosen ? 'page' : 'false'))
  }
  choose('list')
  return {
    element,
    update(next) {
      state = next
      setText(who, `${next.user ?? ''} on ${next.device}`)
      const [kind, text] = statusOf(next)
      setText(status, text)
      status.dataset['state'] = kind
      offline.setAttribute('aria-pressed', String(next.offline))
      setText(offline, next.offline ? 'Go online' : 'Work offline')
      element.classList.toggle('is-offline', next.offline)
      for (const view of views) view.update(next)
    }
  }
}

/** One line for the whole: who we sync with, or why not. */
function statusOf({ offline, neighbours, listener }: AppState): readonly [kind: string, text: string] {
  if (offline) return ['offline', 'Offline; edits wait here']
  const connections = neighbours.flatMap(({ connection }) => connection ?? [])
  const linked = connections.filter(({ state }) => state === 'connected' || state === 'busy').length + listener.connections
  if (connections.some(({ error, state }) => state === 'disconnected' && error !== undefined) && linked === 0)
    return ['error', 'Not connected']
  if (linked > 0) return ['connected', `In sync with ${counted(linked, 'peer')}`]
  return connections.length > 0 ? ['connecting', 'Connecting'] : ['', 'Not connected']
}
