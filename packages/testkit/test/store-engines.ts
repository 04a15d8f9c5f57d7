import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { defineErrors, errorCode } from '@kithmesh/core'
import type { StorageEngine, StorageEngineFactory, StorageWriter } from '@kithmesh/database/storage'
import { draftOf, emptyState, readerOf, writerOf } from './store-state.ts'
import type { StoreState } from './store-state.ts'

const errors = defineErrors({
  ERR_DB_UNREADABLE: { when: 'The file is no store.', hint: '' },
  ERR_DB_LOCKED: { when: 'Another writer does not end.', hint: '' }
})

/** Where state lives between transactions. */
interface Place {
  load(): StoreState
  /** Runs `change` while no other writer can. */
  exclusively<T>(change: () => T): T
  save(state: StoreState): void
  version(): number
  check(): void
  /** Writes what was not written yet. */
  flush(): void
}

function engineOver(place: Place, copyTo: (directory: string, state: StoreState) => void): StorageEngine {
  let open = true
  let busy = false
  return {
    transact<T>(work: (writer: StorageWriter) => T): T {
      if (!open || busy) throw new TypeError(open ? 'transactions cannot be nested' : 'the engine is closed')
      busy = true
      try {
        return place.exclusively(() => {
          const draft = draftOf(place.load())
          const result = work(writerOf(draft))
          place.save(draft)
          return result
        })
      } finally {
        busy = false
      }
    },
    reader: readerOf(() => place.load()),
    dataVersion: () => place.version(),
    compact() {},
    checkIntegrity() {
      place.check()
    },
    copyTo(directory) {
      copyTo(directory, place.load())
    },
    close() {
      if (open) place.flush()
      open = false
    }
  }
}

/** A correct engine that keeps nothing, just enough to prove the suite with. */
export const volatileEngine: StorageEngineFactory = {
  name: 'volatile',
  capabilities: Object.freeze({ durable: false, multiProcess: false }),
  open() {
    let state = emptyState()
    return engineOver(
      {
        load: () => state,
        exclusively: (change) => change(),
        save(next) {
          state = next
        },
        version: () => 0,
        check() {},
        flush() {}
      },
      () => {}
    )
  }
}

/** A correct, durable, slow engine: the whole store in one checksummed file, replaced by rename with every transaction. */
export const snapshotEngine: StorageEngineFactory = snapshots(1)

/** A {@link snapshotEngine} that writes every `saveEvery`th transaction only, and at close; more than 1 breaks its promise. */
export function snapshots(saveEvery: number): StorageEngineFactory {
  return {
    name: 'snapshot',
    capabilities: Object.freeze({ durable: true, multiProcess: true }),
    open(directory) {
      const place = snapshotPlace(directory, saveEvery)
      place.check()
      return engineOver(place, (target, state) => {
        snapshotPlace(target, 1).save(state)
      })
    }
  }
}

interface Snapshot {
  readonly version: number
  readonly state: StoreState
}

function snapshotPlace(directory: string, saveEvery: number): Place {
  const path = join(directory, 'store')
  let cached: Snapshot & { readonly stamp: string } = { stamp: '', version: 0, state: emptyState() }
  let unsaved = 0
  const stamp = (): string => {
    if (!existsSync(path)) return ''
    const { ino, mtimeMs, size } = statSync(path)
    return `${ino} ${mtimeMs} ${size}`
  }
  const read = (): Snapshot => {
    if (!existsSync(path)) return { version: 0, state: emptyState() }
    const bytes = readFileSync(path)
    if (createHash('sha1').update(bytes.subarray(20)).digest().compare(bytes.subarray(0, 20)) !== 0)
      throw errors.create('ERR_DB_UNREADABLE', 'the checksum is wrong')
    return deserialize(bytes.subarray(20)) as Snapshot
  }
  const current = (): Snapshot => {
    const now = stamp()
    if (unsaved === 0 && now !== cached.stamp) cached = { stamp: now, ...read() }
    return cached
  }
  const write = (snapshot: Snapshot): void => {
    const body = serialize(snapshot)
    const file = openSync(path + '.new', 'w')
    writeSync(file, createHash('sha1').update(body).digest())
    for (let offset = 0; offset < body.length; ) offset += writeSync(file, body, offset)
    fsyncSync(file)
    closeSync(file)
    renameSync(path + '.new', path)
    unsaved = 0
  }
  return {
    load: () => current().state,
    version: () => current().version,
    check() {
      if (unsaved === 0) cached = { stamp: stamp(), ...read() }
    },
    exclusively: (change) => locked(join(directory, 'lock'), change),
    save(state) {
      const snapshot = { version: current().version + 1, state }
      if (++unsaved >= saveEvery) write(snapshot)
      else cached = { ...snapshot, stamp: '' }
    },
    flush() {
      if (unsaved > 0) write(cached)
    }
  }
}

/** A lock file with the holder's process id; one whose holder is dead is taken over. */
function locked<T>(path: string, run: () => T): T {
  const end = performance.now() + 5000
  for (;;) {
    try {
      // Written aside and linked, so that a lock always names its holder, even of one killed in between.
      writeFileSync(`${path}.${process.pid}`, String(process.pid))
      linkSync(`${path}.${process.pid}`, path)
      break
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      if (!holderLives(path)) {
        try {
          unlinkSync(path)
        } catch {
          /* somebody was quicker */
        }
        continue
      }
      if (performance.now() > end) throw errors.create('ERR_DB_LOCKED', 'waited five seconds for the other writer', { cause: error })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
    }
  }
  try {
    return run()
  } finally {
    unlinkSync(path)
  }
}

function holderLives(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0)
    return true
  } catch (error) {
    return errorCode(error) === 'ENOENT'
  }
}
