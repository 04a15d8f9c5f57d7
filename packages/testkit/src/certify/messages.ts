import type { ContractSuite, Subject } from './module.ts'

/** What a process of the certification is to do; one job each. */
export type Job =
  /** Says which harnesses a module has. */
  | { readonly kind: 'list'; readonly module: string }
  /** Runs the checks of one harness. */
  | {
      readonly kind: 'suite'
      readonly module: string
      readonly suite: ContractSuite
      readonly label: string
      /** Names of checks that have a result already, from processes that ended too early. */
      readonly done: readonly string[]
      /** A regular expression over names. */
      readonly grep: { readonly source: string; readonly flags: string } | undefined
      readonly timeoutMs: number
    }
  /** Imports the public entries of a package and watches what that does. */
  | { readonly kind: 'import'; readonly root: string; readonly entries: readonly { readonly entry: string; readonly url: string }[] }

/** What importing one entry did. */
export interface ImportedEntry {
  readonly entry: string
  /** Why it could not be imported. */
  readonly error: string | undefined
  readonly names: readonly string[]
  /** Handles and timers that keep the process alive since then. */
  readonly resources: readonly string[]
  /** Environment variables that the package's own files read. */
  readonly environment: readonly string[]
  readonly globals: readonly string[]
  /** Events of the process that were subscribed to. */
  readonly listeners: readonly string[]
}

/** Handles of one kind that were not there before the checks. */
export interface OpenResources {
  readonly type: string
  readonly count: number
  /** The check after which they began to stay. */
  readonly since: string | undefined
}

/** What a process of the certification tells. */
export type Message =
  | { readonly type: 'alive' }
  | { readonly type: 'subjects'; readonly subjects: readonly Subject[] }
  | { readonly type: 'plan'; readonly names: readonly string[] }
  | { readonly type: 'begin'; readonly name: string }
  | {
      readonly type: 'end'
      readonly name: string
      readonly state: 'passed' | 'failed' | 'skipped'
      readonly reason: string | undefined
      readonly ms: number
    }
  | { readonly type: 'output'; readonly text: string; readonly during: string | undefined }
  | { readonly type: 'imported'; readonly imported: ImportedEntry }
  /** Something was thrown while no check was under way. */
  | { readonly type: 'uncaught'; readonly reason: string }
  /** The job cannot be done. */
  | { readonly type: 'refused'; readonly reason: string }
  /** The job is done; the process ends by itself from here on, unless something keeps it. */
  | { readonly type: 'finished'; readonly open: readonly OpenResources[] }
