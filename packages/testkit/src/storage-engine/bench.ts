import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StorageEngine, StorageReader, StorageWriter, StoredDocument } from '@kithmesh/database/storage'
import type { StorageEngineHarness } from './harness.ts'

/** `DocumentFlag` of the contract, written out so that the suite needs types only. */
export const deletedFlag = 1
export const conflictedFlag = 2
/** `TREE_PREFIX` of the contract. */
export const treePrefix = 3

export type NewDocument = Omit<StoredDocument, 'sequence'>

/** A document with defaults for what a test does not care about. */
export function document(id: string, change: Partial<NewDocument> = {}): NewDocument {
  return { id, revId: '1-abc', flags: 0, body: Buffer.from(`{"id":${JSON.stringify(id)}}`), tree: Buffer.from('tree'), ...change }
}

/** Compares by bytes, whatever kind of Uint8Array the engine returns. */
export function assertStored(actual: StoredDocument | undefined, expected: StoredDocument): void {
  assert.ok(actual !== undefined, `${expected.id} is missing`)
  const plain = (stored: StoredDocument): unknown => ({
    id: stored.id,
    sequence: stored.sequence,
    revId: stored.revId,
    flags: stored.flags,
    tree: Buffer.from(stored.tree).toString('latin1')
  })
  assert.deepEqual(plain(actual), plain(expected))
  assert.ok(Buffer.compare(actual.body, expected.body) === 0, `the body of ${expected.id} differs`)
}

/** Everything that is in a store, for comparing two. */
export function contents(reader: StorageReader, spaces: readonly string[] = ['space']): unknown {
  return {
    collections: reader.collections().map(({ id, scope, name }) => ({
      scope,
      name,
      count: reader.count(id),
      lastSequence: reader.lastSequence(id),
      documents: reader
        .documentsSince(id, 0, 1_000_000)
        .map((stored) => [
          stored.id,
          stored.sequence,
          stored.revId,
          stored.flags,
          Buffer.from(stored.body).toString('base64'),
          Buffer.from(stored.tree).toString('base64')
        ])
    })),
    values: spaces.map((space) =>
      reader
        .valuesIn(space)
        .map(({ key, value }) => [key, Buffer.from(value).toString('base64')])
        .sort()
    )
  }
}

/** The error `act` throws. */
export function thrownBy(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  assert.fail('nothing was thrown')
}

/** Engines and directories of one test. */
export class StorageBench {
  readonly #harness: StorageEngineHarness
  readonly #engines = new Set<StorageEngine>()
  readonly #directories: string[] = []
  #main: StorageEngine | undefined

  constructor(harness: StorageEngineHarness) {
    this.#harness = harness
  }

  async directory(): Promise<string> {
    if (this.#harness.directory !== undefined) return await this.#harness.directory()
    const path = await mkdtemp(join(tmpdir(), 'storage-engine-'))
    this.#directories.push(path)
    return path
  }

  open(directory: string): StorageEngine {
    const engine = this.#harness.factory.open(directory)
    this.#engines.add(engine)
    return engine
  }

  close(engine: StorageEngine): void {
    this.#engines.delete(engine)
    engine.close()
  }

  /** Opens the engine most tests use. */
  async prepare(): Promise<void> {
    this.#main = this.open(await this.directory())
  }

  get engine(): StorageEngine {
    return this.#main as StorageEngine
  }

  get reader(): StorageReader {
    return this.engine.reader
  }

  write<T>(work: (writer: StorageWriter) => T): T {
    return this.engine.transact(work)
  }

  /** A collection of the main engine. */
  collection(name = 'items', scope = 'shop'): number {
    return this.write((writer) => writer.createCollection(scope, name))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const engine of this.#engines) {
      try {
        engine.close()
      } catch {
        /* a broken engine; a test has noticed */
      }
    }
    this.#engines.clear()
    for (const path of this.#directories) await rm(path, { recursive: true, force: true, maxRetries: 3 })
  }
}
