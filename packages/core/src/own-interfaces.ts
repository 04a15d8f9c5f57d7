import { networkInterfaces } from 'node:os'

let last: ReturnType<typeof networkInterfaces> = {}

/**
 * The network interfaces of this machine, for code that looks again and again: as `os.networkInterfaces`, but never throws. The operating system needs a
 * file descriptor to tell; while there is none left, because of strangers that connect, this is what it told last.
 */
export function ownInterfaces(): ReturnType<typeof networkInterfaces> {
  try {
    last = networkInterfaces()
  } catch {
    // As the comment says; the next look finds out.
  }
  return last
}
