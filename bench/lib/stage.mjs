import { closeSync, cpSync, fsyncSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Helper } from './processes.mjs'

const files = {
  kithmesh: new URL('./kithmesh-peer.mjs', import.meta.url),
  floor: new URL('./floor-peer.mjs', import.meta.url),
  stream: new URL('./stream-peer.mjs', import.meta.url),
  pouchdb: new URL('./pouchdb-peer.mjs', import.meta.url),
  transport: new URL('./transport-peer.mjs', import.meta.url)
}

/** Where a benchmark plays: directories that are removed at its end, and processes that are ended with it. */
export class Stage {
  #root = mkdtempSync(join(tmpdir(), 'kithmesh-bench-'))
  #running = new Set()
  #number = 0
  #loaded = new Map()
  #pairs = new Map()
  /** Options of Node for the processes started from now on, such as `--cpu-prof`. */
  execArgv

  constructor(execArgv = []) {
    this.execArgv = execArgv
  }

  start(kind) {
    // What waits for one that died would wait for ever.
    const helper = new Helper(files[kind], this.execArgv, () => {
      for (const other of this.#running) other.kill()
    })
    this.#running.add(helper)
    return helper
  }

  async stop(...helpers) {
    for (const helper of helpers) {
      this.#running.delete(helper)
      await helper.stop()
    }
  }

  directory() {
    const directory = join(this.#root, String(++this.#number))
    mkdirSync(directory)
    return directory
  }

  /** A copy of a closed database that is on the disk when this returns, so that no later fsync pays for it. */
  copy(from) {
    const to = this.directory()
    cpSync(from, to, { recursive: true })
    for (const entry of readdirSync(to, { withFileTypes: true, recursive: true })) {
      const handle = openSync(join(entry.parentPath ?? entry.path, entry.name), 'r')
      fsyncSync(handle)
      closeSync(handle)
    }
    return to
  }

  discard(...directories) {
    for (const directory of directories) rmSync(directory, { recursive: true, force: true })
  }

  /** A process with an open database. */
  async open(versioning, directory = this.directory(), options = {}) {
    const peer = this.start('kithmesh')
    await peer.ask({ do: 'open', directory, versioning, ...options })
    return { peer, directory }
  }

  async close(...opened) {
    for (const { peer } of opened) {
      await peer.ask({ do: 'close' })
      await this.stop(peer)
    }
  }

  /** The directory of a closed database with so many documents, made once; not to be written to. `deleted` of a hundred are tombstones. */
  async loaded(versioning, documents, deleted = 0) {
    const key = `${versioning} ${documents} ${deleted}`
    if (!this.#loaded.has(key)) {
      const loader = await this.open(versioning)
      await loader.peer.ask({ do: 'load', documents, deleted })
      await this.close(loader)
      this.#loaded.set(key, loader.directory)
    }
    return this.#loaded.get(key)
  }

  /** Two directories that were replicated once, made once for all rows, which take turns to use them. */
  async pair(versioning, documents) {
    const key = `${versioning} ${documents}`
    if (!this.#pairs.has(key)) {
      const active = await this.open(versioning, this.copy(await this.loaded(versioning, documents)))
      const passive = await this.open(versioning)
      const port = await passive.peer.ask({ do: 'serve' })
      await active.peer.ask({ do: 'replicate', port, type: 'push' })
      await this.close(active, passive)
      this.#pairs.set(key, { active: active.directory, passive: passive.directory })
    }
    return this.#pairs.get(key)
  }

  async end() {
    await this.stop(...this.#running)
    rmSync(this.#root, { recursive: true, force: true })
  }
}
