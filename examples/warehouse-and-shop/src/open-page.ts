import { spawn } from 'node:child_process'

/** Whether a person sits in front of this process, with a desktop. */
export function hasBrowser({
  env,
  platform,
  stdout
}: {
  readonly env: NodeJS.ProcessEnv
  readonly platform: NodeJS.Platform
  readonly stdout: { readonly isTTY?: boolean }
}): boolean {
  if (stdout.isTTY !== true || (env['CI'] ?? '') !== '') return false
  // Over SSH, a browser would open on the wrong machine, if at all.
  if ((env['SSH_CONNECTION'] ?? '') !== '') return false
  return platform === 'darwin' || platform === 'win32' || (env['DISPLAY'] ?? '') !== '' || (env['WAYLAND_DISPLAY'] ?? '') !== ''
}

/** Opens an address in the browser of whoever is logged in. That it is printed, too, is enough where this fails. */
export function openPage(url: string): void {
  const [command, ...args] =
    process.platform === 'darwin' ? ['open', url] : process.platform === 'win32' ? ['explorer', url] : ['xdg-open', url]
  const child = spawn(command as string, args, { stdio: 'ignore', detached: true })
  child.once('error', () => {})
  child.unref()
}
