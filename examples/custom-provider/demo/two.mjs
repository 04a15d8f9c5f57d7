// npm run demo: two programs that have nothing in common but a folder find each other there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const directory = await mkdtemp(join(tmpdir(), 'shared-folder-'))
const program = fileURLToPath(new URL('peer.mjs', import.meta.url))
try {
  const peers = ['anna', 'ben'].map((name) => spawn(process.execPath, [program, name, directory], { stdio: 'inherit' }))
  const ended = await Promise.all(peers.map((peer) => once(peer, 'exit')))
  process.exitCode = ended.every(([code]) => code === 0) ? 0 : 1
} finally {
  await rm(directory, { recursive: true, force: true })
}
