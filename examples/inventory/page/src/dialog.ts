import { h } from './dom.ts'
import { describe } from './toast.ts'

export interface DialogOptions {
  readonly title: string
  readonly content: readonly (Node | string)[]
  readonly submit: string
  /** Does what the dialog is for; when it throws, the dialog stays and says why. */
  readonly run: () => Promise<unknown>
  /** Further buttons, at the left. */
  readonly extra?: readonly HTMLButtonElement[]
}

/** Opens a modal dialog with a form; gone for good when closed. */
export function openDialog({ title, content, submit, run, extra = [] }: DialogOptions): HTMLDialogElement {
  const problem = h('p', { className: 'problem', role: 'alert' })
  const button = h('button', { type: 'submit', className: 'primary' }, submit)
  const heading = h('h2', {}, title)
  const form = h(
    'form',
    {
      noValidate: false,
      onsubmit: (event) => {
        event.preventDefault()
        button.disabled = true
        problem.textContent = ''
        run().then(
          () => dialog.close(),
          (error: unknown) => {
            problem.textContent = describe(error)
            button.disabled = false
          }
        )
      }
    },
    heading,
    ...content,
    problem,
    h(
      'footer',
      {},
      ...extra,
      h('span', { className: 'spring' }),
      h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
      button
    )
  )
  const dialog: HTMLDialogElement = h('dialog', { onclose: () => dialog.remove(), 'aria-label': title }, form)
  document.body.append(dialog)
  dialog.showModal()
  return dialog
}
