import { spawn } from 'node:child_process'

/** Opens a page where a person sits in front of a desktop; anywhere else the printed address has to do. */
export function openInBrowser(url: string): void {
  const { DISPLAY, WAYLAND_DISPLAY, CI } = process.env
  if (!process.stdout.isTTY || (CI !== undefined && CI !== '')) return
  const hasDesktop = process.platform !== 'linux' || DISPLAY !== undefined || WAYLAND_DISPLAY !== undefined
  if (!hasDesktop) return
  const [command, args] =
    process.platform === 'darwin' ? ['open', [url]] : process.platform === 'win32' ? ['explorer', [url]] : ['xdg-open', [url]]
  const child = spawn(command as string, args as string[], { stdio: 'ignore', detached: true })
  child.once('error', () => {})
  child.unref()
}
