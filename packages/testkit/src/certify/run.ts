import type { CertifySuite } from './module.ts'
import type { PluginPackage } from './plugin-package.ts'
import type { CertifiedCheck } from './report.ts'
import type { RunChildOptions } from './run-child.ts'

export interface CertifyOptions {
  /** @default all, as far as the package has harnesses for them */
  readonly suites?: readonly CertifySuite[]
  /** Only checks whose name matches. */
  readonly grep?: RegExp
  /** Bound for each check and each hook, milliseconds, beyond the bounds that the suites have. @default 60000 */
  readonly timeoutMs?: number
  /** Ends the processes; `certify` rejects with its reason. */
  readonly signal?: AbortSignal
  /** Told of each check as it ends, in order. */
  readonly onCheck?: (check: CertifiedCheck) => void
}

/** What the parts of a certification share. */
export interface Run {
  readonly plugin: PluginPackage
  readonly options: CertifyOptions
  readonly timeoutMs: number
  /** Whether a check of this name is asked for. */
  wants(name: string): boolean
  add(check: CertifiedCheck): void
  child(onMessage: RunChildOptions['onMessage']): RunChildOptions
}
