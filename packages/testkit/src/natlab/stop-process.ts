import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** What a program may take to end after a signal, before it is killed. */
const GRACE_MS = 2000

/** Ends a child and resolves when it is gone. A program that is frozen or does not obey is killed. */
export async function stopProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const exit = once(child, 'exit')
  child.kill(signal)
  const timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exit
  clearTimeout(timer)
}
