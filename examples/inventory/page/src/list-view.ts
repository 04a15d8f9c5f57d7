import type { AppState, ItemView } from '#contracts'
import { post } from './api.ts'
import { type View, h, keyedChildren, setText } from './dom.ts'
import { choosePicture, openItemDialog } from './item-dialog.ts'
import { attempt } from './toast.ts'
import { counted } from './words.ts'

/** The list: what there is, how much of it, and everything that can be done with it. */
export function listView(): View<AppState> {
  const summary = h('p', { className: 'muted' })
  const filter = h('input', { type: 'search', placeholder: 'Find an item', 'aria-label': 'Find an item' })
  const rows = h('ul', { className: 'items', 'aria-label': 'Items' })
  const empty = h('p', { className: 'empty' })
  const show = keyedChildren<ItemView>(rows, ({ id }) => id, itemRow)
  let items: readonly ItemView[] = []
  const render = (): void => {
    const wanted = filter.value.trim().toLowerCase()
    const found = items.filter(({ name }) => name.toLowerCase().includes(wanted))
    show(found)
    empty.hidden = found.length > 0
    setText(empty, items.length === 0 ? 'The list is empty. Add the first item.' : 'Nothing is called that.')
    setText(
      summary,
      `${counted(items.length, 'item')}, ${counted(
        items.reduce((sum, { quantity }) => sum + Math.max(0, quantity), 0),
        'piece'
      )} in stock`
    )
  }
  filter.addEventListener('input', render)
  return {
    element: h(
      'section',
      { className: 'panel list', id: 'list', 'aria-labelledby': 'list-title' },
      h(
        'header',
        {},
        h('div', {}, h('h2', { id: 'list-title' }, 'List'), summary),
        h('button', { type: 'button', className: 'primary', onclick: () => openItemDialog() }, 'Add item')
      ),
      filter,
      rows,
      empty
    ),
    update(state) {
      items = state.items
      render()
    }
  }
}

function itemRow(first: ItemView): View<ItemView> {
  let item = first
  const picture = h('img', { alt: '', width: 56, height: 56, loading: 'lazy', draggable: false })
  const initial = h('span', { className: 'initial', 'aria-hidden': 'true' })
  const pictureButton = h('button', { type: 'button', className: 'picture', onclick: () => choosePicture(item.id) }, picture, initial)
  const name = h('span', { className: 'name' })
  const shortage = h('small', { className: 'shortage' })
  const quantity = h('output', { className: 'quantity' })
  const change = (by: number) => () => void attempt(() => post(`/api/items/${encodeURIComponent(item.id)}/change`, { by }))
  const minus = h('button', { type: 'button', className: 'round', onclick: change(-1) }, '−')
  const plus = h('button', { type: 'button', className: 'round', onclick: change(1) }, '+')
  const edit = h('button', { type: 'button', className: 'quiet', onclick: () => openItemDialog(item) }, 'Edit')
  const element = h(
    'li',
    { className: 'item' },
    pictureButton,
    h('span', { className: 'what' }, name, shortage),
    h('span', { className: 'stepper' }, minus, quantity, plus),
    edit
  )
  let shown = ''
  return {
    element,
    update(next) {
      item = next
      element.dataset['name'] = next.name
      setText(name, next.name)
      setText(quantity, String(next.quantity))
      setText(initial, next.name.slice(0, 1).toUpperCase())
      setText(shortage, next.quantity < 0 ? `${-next.quantity} short: more was taken than there was` : '')
      minus.disabled = next.quantity <= 0
      pictureButton.setAttribute('aria-label', `Change the picture of ${next.name}`)
      minus.setAttribute('aria-label', `Take one of ${next.name}`)
      plus.setAttribute('aria-label', `Add one of ${next.name}`)
      edit.setAttribute('aria-label', `Edit ${next.name}`)
      picture.hidden = next.picture === undefined
      initial.hidden = next.picture !== undefined
      if (next.picture !== undefined && picture.getAttribute('src') !== next.picture) picture.src = next.picture
      const now = JSON.stringify(next)
      if (shown !== '' && shown !== now) {
        element.classList.remove('changed')
        void element.offsetWidth
        element.classList.add('changed')
      }
      shown = now
    }
  }
}
