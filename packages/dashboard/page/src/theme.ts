// Light, dark, or as the system has it; remembered.
import { setAttributes } from './dom.ts'

const choices = ['auto', 'light', 'dark'] as const
const signs = { auto: '◐', light: '☀', dark: '☾' } as const
const names = { auto: 'as the system', light: 'light', dark: 'dark' } as const

/** Makes a button that goes through the themes. */
export function themeButton(button: HTMLElement): void {
  let theme = choices.find((choice) => choice === remembered()) ?? 'auto'
  const apply = (): void => {
    setAttributes(document.documentElement, { 'data-theme': theme === 'auto' ? null : theme })
    button.textContent = signs[theme]
    const label = `Colours: ${names[theme]}`
    setAttributes(button, { 'aria-label': label, title: label })
  }
  button.addEventListener('click', () => {
    theme = choices[(choices.indexOf(theme) + 1) % choices.length] as typeof theme
    try {
      localStorage.setItem('theme', theme)
    } catch {
      // Then it is not remembered.
    }
    apply()
  })
  apply()
}

function remembered(): string | null {
  try {
    return localStorage.getItem('theme')
  } catch {
    return null
  }
}
