import { closeSync, openSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { figure } from '../statistics.mjs'

const COUNT = 200
const BYTES = 256 * 1024
/** V8 has optimized what moves blobs after so many: the first takes twice as long as the fourth. */
const WARM_UP_ROUNDS = 3
const TREES = 'rev-trees'
/** Several times what one transfer writes. */
const TOUCHED_MEGABYTES = 400
const MEGABYTE = Buffer.alloc(1e6, 1)

/** Blobs of random bytes, beside the same bytes as messages over `ws` and nothing else, and over `ws` from files to files, each in the same direction: a client masks. */
export async function blobs({ stage, rounds, say }) {
  const samples = { raw: [], rawUp: [], files: [], filesUp: [], pull: [], push: [] }
  const active = await stage.open(TREES)
  const passive = await stage.open(TREES)
  const port = await passive.peer.ask({ do: 'serve' })
  const from = stage.start('stream')
  const to = stage.start('stream')
  const streamPort = await from.ask({ do: 'serve' })
  const raw = { port: streamPort, count: COUNT, bytes: BYTES }
  const files = () => ({ ...raw, from: stage.directory(), into: stage.directory() })
  const scratch = stage.directory()
  for (let number = -WARM_UP_ROUNDS; number < rounds; number++) {
    const transfers = {
      raw: () => to.ask({ do: 'receive', ...raw }),
      rawUp: () => to.ask({ do: 'send', ...raw }),
      files: () => to.ask({ do: 'receive', ...files() }),
      pull: () => moved({ from: passive, active, port, type: 'pull', number }),
      filesUp: () => to.ask({ do: 'send', ...files() }),
      push: () => moved({ from: active, active, port, type: 'push', number })
    }
    const measured = {}
    for (const [name, transfer] of Object.entries(transfers)) {
      touchMemory(scratch)
      measured[name] = await transfer()
    }
    if (number >= 0) for (const [name, ms] of Object.entries(measured)) samples[name].push((COUNT * BYTES) / 1e6 / (ms / 1000))
  }
  await stage.close(active, passive)
  await stage.stop(from, to)
  say(`  ${rounds} rounds`)
  return [
    figure('raw ws stream, server sends', 'MB/s', samples.raw),
    figure('raw ws stream, client sends', 'MB/s', samples.rawUp),
    figure('ws stream from files to synced files, server sends', 'MB/s', samples.files),
    figure('ws stream from files to synced files, client sends', 'MB/s', samples.filesUp),
    figure('pull', 'MB/s', samples.pull, { goal: { atLeast: 0.8, of: samples.files, name: 'the stream to synced files' } }),
    figure('push', 'MB/s', samples.push, { goal: { atLeast: 0.8, of: samples.filesUp, name: 'the stream to synced files' } })
  ]
}

/**
 * A virtual machine gives free memory back to its host and asks for it again, page by page, when files are written: whoever comes first pays,
 * half of his time and more. After a large file that was written and removed nobody does.
 */
function touchMemory(directory) {
  const path = join(directory, 'touched')
  const file = openSync(path, 'w')
  for (let n = 0; n < TOUCHED_MEGABYTES; n++) writeSync(file, MEGABYTE)
  closeSync(file)
  rmSync(path)
}

async function moved({ from, active, port, type, number }) {
  await from.peer.ask({ do: 'loadBlobs', count: COUNT, bytes: BYTES, name: `${type} ${number}` })
  const { ms, statistics } = await active.peer.ask({ do: 'replicate', port, type })
  const count = type === 'pull' ? statistics.blobsPulled : statistics.blobsPushed
  if (count !== COUNT) throw new Error(`${count} of ${COUNT} blobs were moved`)
  return ms
}
