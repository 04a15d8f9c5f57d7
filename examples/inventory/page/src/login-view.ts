import type { AppState } from '#contracts'
import { post } from './api.ts'
import { type View, field, h, setText } from './dom.ts'
import { describe } from './toast.ts'

/** The login against the user list. */
export function loginView(): View<AppState> {
  const name = h('input', { name: 'name', autocomplete: 'username', required: true })
  const password = h('input', { name: 'password', type: 'password', autocomplete: 'current-password', required: true })
  const names = h('datalist', { id: 'users' })
  name.setAttribute('list', 'users')
  const problem = h('p', { className: 'problem', role: 'alert' })
  const device = h('p', { className: 'muted' })
  const button = h('button', { type: 'submit', className: 'primary' }, 'Log in')
  const form = h(
    'form',
    {
      onsubmit: (event) => {
        event.preventDefault()
        button.disabled = true
        problem.textContent = ''
        post('/api/login', { name: name.value, password: password.value })
          .catch((error: unknown) => {
            problem.textContent = describe(error)
            password.select()
          })
          .finally(() => {
            button.disabled = false
          })
      }
    },
    h('img', { src: 'icon.svg', alt: '', width: 48, height: 48 }),
    h('h1', {}, 'Inventory'),
    device,
    field('Name', name),
    names,
    field('Password', password),
    problem,
    button
  )
  return {
    element: h('main', { className: 'login' }, form),
    update({ device: deviceName, users }) {
      setText(device, `on ${deviceName}`)
      if (names.children.length !== users.length) names.replaceChildren(...users.map((value) => h('option', { value })))
    }
  }
}
