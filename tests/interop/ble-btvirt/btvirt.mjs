// BlueZ's btvirt: controllers behind a Unix socket, one for each connection, all on one air.
import { spawn } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { createConnection } from 'node:net'
import { once } from 'node:events'
import { eventually } from '@kithmesh/testkit'

const RESET = Buffer.of(0x01, 0x03, 0x0c, 0x00)
const RESET_DONE = Buffer.of(0x04, 0x0e, 0x04, 0x01, 0x03, 0x0c, 0x00)

/** Starts it. `path` is where a controller is to be had; `end()` stops it. Needs root. Rejects with the Debian package when it is missing. */
export async function startBtvirt() {
  // Its sockets have fixed names in /tmp, so it gets one of its own, which is reached through /proc.
  const child = spawn('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs tmpfs /tmp && exec btvirt -s'], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk))
  const ended = once(child, 'close')
  const path = `/proc/${child.pid}/root/tmp/bt-server-le`
  try {
    await eventually('btvirt', () => child.exitCode !== null || isSocket(path))
    if (child.exitCode !== null) throw new Error(`btvirt did not start; on Debian: apt-get install bluez-test-tools; needs root: ${output}`)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  return {
    path,
    async end() {
      child.kill('SIGKILL')
      await ended
    }
  }
}

/** Whether a controller answers. @returns what the kernel lacks; undefined when all is well. @throws when it fails for another reason */
export async function whatIsMissing() {
  const btvirt = await startBtvirt()
  try {
    const socket = createConnection(btvirt.path)
    const answered = new Promise((resolve) => {
      socket.on('error', () => {})
      socket.once('data', (data) => resolve(data.equals(RESET_DONE)))
      socket.once('close', () => resolve(false))
      socket.setTimeout(5000, () => resolve(false))
    })
    socket.write(RESET)
    const works = await answered
    socket.destroy()
    if (works) return undefined
    // btvirt has asked for such a socket, and the kernel would have loaded the module if it had one.
    if (!/^ALG\b/m.test(readFileSync('/proc/net/protocols', 'utf8')))
      return 'btvirt gives every host up at once, as this kernel has no AF_ALG sockets, which it has its cryptography done by'
    throw new Error('btvirt does not answer Reset, though the kernel has AF_ALG sockets')
  } finally {
    await btvirt.end()
  }
}

function isSocket(path) {
  try {
    return statSync(path).isSocket()
  } catch {
    return false
  }
}
