import type { AppState, ErrorView } from '#contracts'
import { type View, h } from './dom.ts'
import { loginView } from './login-view.ts'
import { shellView } from './shell-view.ts'
import { toast } from './toast.ts'
import { errorInWords } from './words.ts'

/** Shows the state whenever the server tells it. */
function run(app: HTMLElement): void {
  let shown: { readonly user: string | undefined; readonly view: View<AppState> } | undefined
  const lost = h(
    'p',
    { className: 'lost', role: 'alert', hidden: true },
    'The program behind this page does not answer. This page comes back when it does.'
  )
  document.body.prepend(lost)

  const show = (state: AppState): void => {
    if (shown === undefined || shown.user !== state.user) {
      shown = { user: state.user, view: state.user === undefined ? loginView() : shellView() }
      app.replaceChildren(shown.view.element)
      if (state.user === undefined) app.querySelector('input')?.focus()
    }
    document.title = `${state.user === undefined ? '' : `${state.user} · `}Inventory on ${state.device}`
    shown.view.update(state)
    app.setAttribute('aria-busy', 'false')
  }

  const events = new EventSource('/api/events')
  events.addEventListener('state', (event: MessageEvent<string>) => {
    lost.hidden = true
    show(JSON.parse(event.data) as AppState)
  })
  events.addEventListener('trouble', (event: MessageEvent<string>) => {
    toast(errorInWords(JSON.parse(event.data) as ErrorView), { kind: 'error' })
  })
  events.addEventListener('error', () => {
    lost.hidden = false
    // A refusal is final for the browser; the program was started anew and has another key.
    if (events.readyState === EventSource.CLOSED)
      lost.textContent = 'This page is from an earlier start. Open the address that the program printed.'
  })
}

const app = document.getElementById('app')
if (app !== null) run(app)
