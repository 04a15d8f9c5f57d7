import type { AppState, NeighbourView } from '#contracts'
import { post } from './api.ts'
import { openConnectDialog } from './connect-dialog.ts'
import { type View, h, keyedChildren, setText } from './dom.ts'
import { attempt } from './toast.ts'
import { counted, errorInWords, sizeInWords, stateWords } from './words.ts'

/** The active peer: the listeners around, and the replications with them. */
export function neighboursView(): View<AppState> {
  let state: AppState | undefined
  const rows = h('ul', { className: 'neighbours', 'aria-label': 'Listeners' })
  const show = keyedChildren<NeighbourView>(
    rows,
    ({ key }) => key,
    (first) =>
      neighbourRow(first, (neighbour) => {
        openConnectDialog(neighbour, state?.authorities ?? [], state?.user ?? '')
      })
  )
  const empty = h('p', { className: 'empty' })
  const problem = h('p', { className: 'problem' })
  const toggle = h('button', {
    type: 'button',
    className: 'quiet',
    onclick: () => void attempt(() => post('/api/browse', { on: state?.browsing !== true }))
  })
  return {
    element: h(
      'section',
      { className: 'panel', id: 'browse', 'aria-labelledby': 'browse-title' },
      h('header', {}, h('h2', { id: 'browse-title' }, 'Nearby'), toggle),
      problem,
      rows,
      empty,
      h(
        'button',
        { type: 'button', className: 'quiet', onclick: () => openConnectDialog(undefined, state?.authorities ?? [], state?.user ?? '') },
        'Connect to an address…'
      )
    ),
    update(next) {
      state = next
      show(next.neighbours)
      empty.hidden = next.neighbours.length > 0
      setText(empty, next.browsing ? 'Looking for listeners. Start one on another device.' : 'Not looking.')
      setText(toggle, next.browsing ? 'Stop looking' : 'Look for listeners')
      setText(problem, next.browseError === undefined ? '' : errorInWords(next.browseError))
    }
  }
}

function neighbourRow(first: NeighbourView, connect: (neighbour: NeighbourView) => void): View<NeighbourView> {
  let neighbour = first
  const name = h('b', { className: 'name' })
  const chip = h('span', { className: 'chip' })
  const details = h('small', { className: 'muted' })
  const problem = h('p', { className: 'problem' })
  const action = (label: string, run: () => void): HTMLButtonElement => h('button', { type: 'button', onclick: run }, label)
  const send = (path: string) => () => void attempt(() => post(path, { key: neighbour.key }))
  const open = action('Connect', () => connect(neighbour))
  const retry = action('Try now', send('/api/retry'))
  const disconnect = action('Disconnect', send('/api/disconnect'))
  const forget = action('Forget', send('/api/forget'))
  const element = h(
    'li',
    { className: 'neighbour' },
    h('div', { className: 'row' }, name, chip),
    details,
    problem,
    h('div', { className: 'row actions' }, open, retry, disconnect, forget)
  )
  return {
    element,
    update(next) {
      neighbour = next
      const { connection } = next
      element.dataset['name'] = next.name
      element.dataset['state'] = connection?.state ?? 'none'
      element.dataset['mode'] = connection?.mode ?? ''
      element.dataset['user'] = connection?.user ?? ''
      setText(name, next.name)
      setText(chip, connection === undefined ? (next.present ? 'found' : 'away') : stateWords[connection.state])
      chip.dataset['state'] = connection?.state ?? ''
      setText(details, detailsOf(next))
      setText(problem, connection?.error === undefined ? '' : errorInWords(connection.error))
      problem.dataset['code'] = connection?.error?.code ?? ''
      open.hidden = connection !== undefined && connection.state !== 'disconnected'
      setText(open, connection?.error === undefined ? 'Connect' : 'Connect again…')
      retry.hidden = connection?.state !== 'offline'
      disconnect.hidden = connection === undefined || connection.state === 'disconnected'
      forget.hidden = !next.typed
    }
  }
}

const checks: Readonly<Record<string, string>> = {
  any: 'not checked',
  'self-signed': 'self-signed',
  ca: 'by an authority',
  pinned: 'pinned',
  plain: 'no TLS'
}

function detailsOf({ tls, connection, typed }: NeighbourView): string {
  if (connection === undefined) return tls === undefined ? (typed ? 'typed address' : '') : tls ? 'offers TLS' : 'without TLS'
  const parts = [`as ${connection.user}`, checks[connection.mode] ?? connection.mode]
  if (connection.documents > 0) parts.push(`${counted(connection.documents, 'document')}, ${sizeInWords(connection.bytes)}`)
  if (connection.pending > 0) parts.push(`${counted(connection.pending, 'edit')} to send`)
  return parts.join(' · ')
}
