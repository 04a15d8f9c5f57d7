import type { ChildProcess } from 'node:child_process'
import type { StorageEngineFactory } from '@kithmesh/database/storage'

/** What the storage suite is given. Capabilities are read from the factory. */
export interface StorageEngineHarness {
  /** The subject. */
  readonly factory: StorageEngineFactory
  /**
   * Starts a Node process that opens the same engine in `directory` and calls {@link crashWriter}, its standard output
   * piped to this process: `fork(script, [directory], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })`.
   * Required when the engine is durable. The suite kills it.
   */
  spawnWriter?(directory: string): ChildProcess
  /** A fresh, empty, existing directory. @default one under the system's directory for temporary files, removed after the test */
  directory?(): Promise<string>
  /** Bound for the child process to begin writing, milliseconds. @default 10000 */
  readonly settleMs?: number
  /** How often a writer is killed. @default 10 */
  readonly crashRounds?: number
}
