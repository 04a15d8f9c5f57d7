import { Refused } from './api.ts'
import { h } from './dom.ts'
import { errorInWords } from './words.ts'

/** Shows a line at the bottom for a while, with a button if there is something to do about it. */
export function toast(
  text: string,
  { action, kind = 'note' }: { action?: { label: string; run: () => void }; kind?: 'note' | 'error' } = {}
): void {
  const parent = document.getElementById('toasts')
  const element = h('div', { className: `toast ${kind}` }, h('span', {}, text))
  if (action !== undefined)
    element.append(
      h(
        'button',
        {
          type: 'button',
          className: 'quiet',
          onclick: () => {
            element.remove()
            action.run()
          }
        },
        action.label
      )
    )
  element.append(h('button', { type: 'button', className: 'quiet close', 'aria-label': 'Dismiss', onclick: () => element.remove() }, '×'))
  parent?.append(element)
  while ((parent?.children.length ?? 0) > 4) parent?.firstElementChild?.remove()
  setTimeout(() => element.remove(), kind === 'error' ? 12_000 : 7_000)
}

/** Does something and says what went wrong, if it does. @returns whether it worked. */
export async function attempt(work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    toast(describe(error), { kind: 'error' })
    return false
  }
}

export function describe(error: unknown): string {
  if (error instanceof Refused) return errorInWords(error.view)
  return error instanceof Error ? error.message : String(error)
}
