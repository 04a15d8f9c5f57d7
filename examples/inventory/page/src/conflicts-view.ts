import type { AppState, ConflictView, DecisionView, ItemVersionView } from '#contracts'
import { type View, h, keyedChildren, setText } from './dom.ts'
import { reasonsInWords, timeInWords, versionInWords } from './words.ts'

/** What was edited on two sides at once: both versions, and what was decided. */
export function conflictsView(): View<AppState> {
  const rows = h('ul', { className: 'conflicts', 'aria-label': 'Conflicts' })
  const show = keyedChildren<ConflictView>(rows, ({ id }) => id, conflictRow)
  const empty = h('p', { className: 'empty' }, 'None so far. They arise when two devices change the list while they cannot see each other.')
  const count = h('span', { className: 'chip' })
  return {
    element: h(
      'section',
      { className: 'panel', id: 'conflicts', 'aria-labelledby': 'conflicts-title' },
      h('header', {}, h('div', {}, h('h2', { id: 'conflicts-title' }, 'Conflicts'), count)),
      rows,
      empty
    ),
    update({ conflicts }) {
      show(conflicts)
      empty.hidden = conflicts.length > 0
      setText(count, String(conflicts.length))
    }
  }
}

/** A conflict never changes. */
function conflictRow({ at, between, decisions }: ConflictView): View<ConflictView> {
  const [here, there] = between
  return {
    element: h(
      'li',
      { className: 'conflict' },
      h('p', {}, h('b', {}, here), ' and ', h('b', {}, there)),
      h('small', { className: 'muted' }, `decided by ${here}, ${timeInWords(at)}`),
      h('ul', { className: 'decisions' }, ...decisions.map((decision) => decisionRow(decision, between)))
    ),
    update: () => {}
  }
}

function decisionRow({ here, there, result, why }: DecisionView, [hereName, thereName]: readonly [string, string]): HTMLLIElement {
  const otherPictures = here?.picture !== there?.picture
  return h(
    'li',
    { className: 'decision' },
    picture(result.picture, 40),
    h(
      'div',
      {},
      h('b', { 'data-side': 'result' }, versionInWords(result)),
      h('small', {}, reasonsInWords(why, hereName, thereName)),
      version('here', hereName, here, otherPictures),
      version('there', thereName, there, otherPictures)
    )
  )
}

function version(side: string, name: string, view: ItemVersionView | undefined, withPicture: boolean): HTMLElement {
  return h(
    'p',
    { className: 'version', 'data-side': side },
    h('span', { className: 'muted' }, `${name}:`),
    withPicture && view?.picture !== undefined ? picture(view.picture, 24) : undefined,
    h('span', {}, versionInWords(view))
  )
}

function picture(src: string | undefined, size: number): HTMLElement {
  return src === undefined ? h('span', {}) : h('img', { src, alt: '', width: size, height: size })
}
