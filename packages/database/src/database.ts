import { mkdirSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { isKithmeshError, silentLogger, systemClock } from '@kithmesh/core/plugin'
import type { BlobStore, ManagedBlobStore } from './blobs/blob-store.ts'
import { DiskBlobs } from './blobs/disk-blobs.ts'
import { MemoryBlobs } from './blobs/memory-blobs.ts'
import { MAX_DOCUMENT_SIZE } from './body-check.ts'
import { BaseBodies } from './base-bodies.ts'
import { ChangeHub } from './change-hub.ts'
import { CollectionCore } from './collection-core.ts'
import { Collection } from './collection.ts'
import type { DocumentVersioning } from './contracts/replication.ts'
import type { StorageEngine, StorageEngineFactory } from './contracts/storage.ts'
import { createDatabaseFile, findOrMakeDatabaseFile, readDatabaseFile, removeDatabaseFiles, upgradeDatabaseFile } from './database-file.ts'
import type { DatabaseFile } from './database-file.ts'
import { databaseErrors } from './errors.ts'
import { mapFileError } from './file-errors.ts'
import { conflictSpace, internals } from './internals.ts'
import type { DatabaseInternals } from './internals.ts'
import { memoryEngine } from './memory/engine.ts'
import { checkCollectionName } from './names.ts'
import { checkOpenOptions } from './open-options.ts'
import type { CompactOptions, OpenOptions } from './open-options.ts'
import { referencedBlobs } from './referenced-blobs.ts'
import { sqliteEngine } from './sqlite/engine.ts'
import { treeModel } from './trees/tree-model.ts'
import { vectorModel } from './vectors/vector-model.ts'
import { StoreWatcher } from './watcher.ts'

/** A directory of collections and blobs; several processes may have it open at once. */
export class Database {
  readonly #shared: DatabaseInternals
  readonly #engine: StorageEngine
  readonly #blobs: ManagedBlobStore
  readonly #watcher: StoreWatcher | undefined
  readonly #closing = new AbortController()
  /** Absolute path, or `:memory:`. */
  readonly directory: string
  /** The last part of the path. */
  readonly name: string
  #closed = false
  #lastError: Error | undefined

  private constructor(
    directory: string,
    engine: StorageEngine,
    blobs: ManagedBlobStore,
    file: Pick<DatabaseFile, 'privateUuid' | 'publicUuid' | 'versioning'>,
    watch: boolean,
    options: OpenOptions
  ) {
    this.directory = directory
    this.name = directory === MEMORY ? 'memory' : basename(directory)
    this.#engine = engine
    this.#blobs = blobs
    const logger = (options.logger ?? silentLogger).child('database')
    const clock = options.clock ?? systemClock
    const hub = new ChangeHub((collection) => {
      try {
        return engine.reader.lastSequence(collection)
      } catch {
        return undefined
      }
    }, logger)
    this.#shared = {
      engine,
      model: file.versioning === 'rev-trees' ? treeModel : vectorModel(file.privateUuid, clock),
      blobs,
      hub,
      bases: new BaseBodies(engine),
      privateUuid: file.privateUuid,
      publicUuid: file.publicUuid,
      maxDocumentSize: options.maxDocumentSize ?? MAX_DOCUMENT_SIZE,
      clock,
      logger,
      closing: this.#closing.signal,
      failed: (error) => {
        this.#failed(error)
      }
    }
    if (watch) {
      this.#watcher = new StoreWatcher({
        directory,
        clock,
        logger,
        dataVersion: () => engine.dataVersion(),
        changedElsewhere: () => {
          hub.committedElsewhere()
        },
        failed: (error) => {
          this.#failed(error)
        }
      })
      hub.onInterest = (interested) => {
        if (interested) this.#watcher?.start()
        else this.#watcher?.stop()
      }
    }
  }

  /**
   * Opens a database, or makes one.
   * @param directory a path, or `:memory:` for one that ends with the process.
   * @throws ERR_DB_NOT_FOUND, ERR_DB_UNREADABLE, ERR_DB_VERSION, ERR_DB_VERSIONING, ERR_DB_LOCKED, ERR_DB_DISK_FULL, ERR_DB_ENGINE_MISSING. TypeError for options that make no sense.
   */
  static async open(directory: string, options: OpenOptions = {}): Promise<Database> {
    if (typeof directory !== 'string' || directory === '') throw new TypeError('The directory of a database is a path')
    checkOpenOptions(options)
    const inMemory = directory === MEMORY
    const factory =
      options.engine ??
      (inMemory ? memoryEngine() : sqliteEngine(options.durability === undefined ? {} : { durability: options.durability }))
    const clock = options.clock ?? systemClock
    if (inMemory) return Database.#inMemory(factory, options)
    const path = resolve(directory)
    let file = findOrMakeDatabaseFile(path, factory.name, options)
    const engine = factory.open(path)
    try {
      if (options.versioning === 'version-vectors' && file.versioning === 'rev-trees') file = upgradeDatabaseFile(path, file)
      return new Database(
        path,
        engine,
        new DiskBlobs(join(path, 'blobs'), clock),
        file,
        options.watch !== false && factory.capabilities.multiProcess,
        options
      )
    } catch (error) {
      engine.close()
      throw mapFileError(error, path)
    }
  }

  static #inMemory(factory: StorageEngineFactory, options: OpenOptions): Database {
    const { resume, identities, versioning } = options
    const engine = factory.open('')
    if (resume !== undefined) {
      const file = { ...resume.#shared, versioning: resume.#shared.model.versioning }
      return new Database(MEMORY, engine, resume.#blobs, file, false, options)
    }
    const { privateUuid, publicUuid } = identities ?? { privateUuid: crypto.randomUUID(), publicUuid: crypto.randomUUID() }
    return new Database(
      MEMORY,
      engine,
      new MemoryBlobs(),
      { privateUuid, publicUuid, versioning: versioning ?? 'rev-trees' },
      false,
      options
    )
  }

  /**
   * Copies a database, while it may be in use, into a new or empty directory. The copy has identities of its own, so that peers do not take the two for one.
   * @throws ERR_DB_NOT_FOUND, ERR_DB_EXISTS, ERR_DB_DISK_FULL
   */
  static async copy(from: string, to: string, options: Pick<OpenOptions, 'engine'> = {}): Promise<void> {
    const target = resolve(to)
    const source = await Database.open(from, { ...options, createIfMissing: false, watch: false })
    try {
      try {
        mkdirSync(target, { recursive: true })
        if (readdirSync(target).length > 0) throw databaseErrors.create('ERR_DB_EXISTS', `${target} is not empty`)
        source.#engine.copyTo(target)
        source.#blobs.copyTo(join(target, 'blobs'))
      } catch (error) {
        throw mapFileError(error, target)
      }
      createDatabaseFile(target, (options.engine ?? sqliteEngine()).name, source.versioning)
    } finally {
      await source.close()
    }
  }

  /** Removes a database that nobody has open; other files in the directory stay. @throws ERR_DB_NOT_FOUND */
  static async delete(directory: string): Promise<void> {
    const path = resolve(directory)
    if (readDatabaseFile(path) === undefined) throw databaseErrors.create('ERR_DB_NOT_FOUND', `There is no database in ${path}`)
    removeDatabaseFiles(path)
  }

  /** @internal */
  get [internals](): DatabaseInternals {
    this.#check()
    return this.#shared
  }

  /** How this database names and orders revisions. */
  get versioning(): DocumentVersioning {
    return this.#shared.model.versioning
  }

  /** The blobs of all collections. */
  get blobs(): BlobStore {
    return this.#blobs
  }

  get closed(): boolean {
    return this.#closed
  }

  /** The last error of the store itself (disk full, locked, damaged…), also of those that nobody was there to be thrown at. */
  get lastError(): Error | undefined {
    return this.#lastError
  }

  /**
   * A collection; made first when `create` says so. The default one always exists.
   * @throws ERR_DB_NO_COLLECTION, ERR_DB_COLLECTION_NAME
   */
  collection(name = '_default', scope = '_default', options: { readonly create?: boolean } = {}): Collection {
    this.#check()
    checkCollectionName(scope, name)
    const create = options.create === true || (scope === '_default' && name === '_default')
    const id = this.#find(scope, name) ?? (create ? this.#engine.transact((writer) => writer.createCollection(scope, name)) : undefined)
    if (id === undefined)
      throw databaseErrors.create('ERR_DB_NO_COLLECTION', `There is no collection ${scope}.${name} in ${this.directory}`)
    return new Collection(new CollectionCore(this.#shared, id, scope, name))
  }

  collections(): { readonly scope: string; readonly name: string }[] {
    this.#check()
    return this.#engine.reader.collections().map(({ scope, name }) => ({ scope, name }))
  }

  /** Removes a collection and all in it; false when there was none. */
  deleteCollection(name = '_default', scope = '_default'): boolean {
    this.#check()
    return this.#engine.transact((writer) => {
      const found = writer.collections().find((collection) => collection.scope === scope && collection.name === name)
      if (found === undefined) return false
      this.#shared.bases.dropAll(writer, found.id)
      writer.dropCollection(found.id)
      const space = conflictSpace(found.id)
      for (const { key } of writer.valuesIn(space)) writer.setValue(space, key, undefined)
      return true
    })
  }

  /** Gives unused space back and removes blobs that no document mentions; returns how many of those. May take long. @throws TypeError for a time that is none */
  compact({ blobsUnusedForMs = 3_600_000 }: CompactOptions = {}): { readonly blobsRemoved: number } {
    this.#check()
    if (!Number.isFinite(blobsUnusedForMs)) throw new TypeError(`blobsUnusedForMs must be a number, not ${blobsUnusedForMs}`)
    const blobsRemoved = this.#blobs.sweep(referencedBlobs(this.#engine.reader, this.#shared.model), blobsUnusedForMs)
    this.#engine.compact()
    return { blobsRemoved }
  }

  /** Reads everything once. @throws ERR_DB_UNREADABLE with what is damaged. */
  checkIntegrity(): void {
    this.#check()
    this.#engine.checkIntegrity()
  }

  /** Ends listeners and feeds and lets go of the files. May be called any number of times. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#shared.hub.close()
    this.#watcher?.stop()
    this.#closing.abort()
    this.#engine.close()
  }

  /** Closes the database and removes it from the disk. */
  async delete(): Promise<void> {
    await this.close()
    if (this.directory !== MEMORY && statSync(this.directory, { throwIfNoEntry: false }) !== undefined) removeDatabaseFiles(this.directory)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #failed(error: unknown): void {
    if (!isKithmeshError(error) || !STORE_ERRORS.has(error.code)) return
    this.#lastError = error
    this.#shared.logger.error(error.message, { code: error.code, hint: error.hint })
  }

  #find(scope: string, name: string): number | undefined {
    return this.#engine.reader.collections().find((collection) => collection.scope === scope && collection.name === name)?.id
  }

  #check(): void {
    if (this.#closed) throw databaseErrors.create('ERR_DB_CLOSED', `The database ${this.directory} is closed`)
  }
}

const STORE_ERRORS: ReadonlySet<string> = new Set(['ERR_DB_DISK_FULL', 'ERR_DB_IO', 'ERR_DB_LOCKED', 'ERR_DB_UNREADABLE', 'ERR_DB_ENGINE'])

const MEMORY = ':memory:'
