import type { StorageEngineHarness } from '../storage-engine/harness.ts'
import type { ProviderHarness } from '../provider/harness.ts'
import type { ByteSocketHarness, MessageSocketHarness } from '../socket-factory/harness.ts'
import type { TransportHarness } from '../transport/harness.ts'

/**
 * What the module exports that a plugin package names in its package.json, `"kithmesh": { "certify": "./certify.mjs" }`: the harnesses
 * of everything the package has to certify, by a label for the report. All are optional, one must be there.
 *
 * The module is loaded in a process of its own for each harness. It may await at its top level; what it starts by itself, e.g. a server that
 * all fixtures share, it ends in `dispose`.
 *
 * @example
 * // certify.mjs
 * import { sharedFile } from 'kithmesh-shared-file'
 * export const providers = { 'shared-file': { factory: sharedFile({ directory: '/' }), create } }
 */
export interface CertifyModule {
  readonly providers?: Readonly<Record<string, ProviderHarness>>
  readonly transports?: Readonly<Record<string, TransportHarness>>
  readonly socketFactories?: Readonly<Record<string, ByteSocketHarness | MessageSocketHarness>>
  readonly storageEngines?: Readonly<Record<string, StorageEngineHarness>>
  /** Ends what the module itself started. Called once, after the last check; the process must be able to end then. */
  dispose?(): Promise<void> | void
}

/** The suites over contracts. */
export type ContractSuite = 'provider' | 'transport' | 'socket-factory' | 'storage-engine'

/** The export of a module that holds the harnesses of each. */
export const HARNESS_EXPORTS = {
  provider: 'providers',
  transport: 'transports',
  'socket-factory': 'socketFactories',
  'storage-engine': 'storageEngines'
} as const satisfies Readonly<Record<ContractSuite, keyof CertifyModule>>

/** What a harness of each suite cannot do without. */
const HARNESS_METHODS = {
  provider: ['create'],
  transport: ['create'],
  'socket-factory': ['listen'],
  'storage-engine': []
} as const satisfies Readonly<Record<ContractSuite, readonly string[]>>

/** Everything that checks belong to: the contracts, and the package itself. */
export type CertifySuite = 'package' | ContractSuite

/** What `--suite` accepts, in the order of the report. */
export const CERTIFY_SUITES: readonly CertifySuite[] = ['package', 'provider', 'transport', 'socket-factory', 'storage-engine']

/** One thing to certify. */
export interface Subject {
  readonly suite: ContractSuite
  /** The harness' name in its record. */
  readonly label: string
  /** As the factory declares them. */
  readonly capabilities: Readonly<Record<string, unknown>>
}

interface AnyHarness {
  readonly factory?: { readonly capabilities?: unknown; readonly framing?: unknown }
}

/** The harnesses of a loaded module, in the order of the report. @throws TypeError that says what is wrong with the module */
export function subjectsOf(module: Readonly<Record<string, unknown>>): readonly Subject[] {
  const subjects: Subject[] = []
  for (const [suite, name] of Object.entries(HARNESS_EXPORTS) as [ContractSuite, string][]) {
    const record = module[name]
    if (record === undefined) continue
    if (!isRecord(record) || Array.isArray(record))
      throw new TypeError(`${name} must be a record of harnesses by label: export const ${name} = { label: harness }`)
    for (const [label, harness] of Object.entries(record)) {
      const { factory } = (isRecord(harness) ? harness : {}) as AnyHarness
      if (!isRecord(factory) && typeof factory !== 'function') throw new TypeError(`${name}[${JSON.stringify(label)}] has no factory`)
      const missing = HARNESS_METHODS[suite].find((method) => typeof (harness as Record<string, unknown>)[method] !== 'function')
      if (missing !== undefined) throw new TypeError(`${name}[${JSON.stringify(label)}] has no ${missing}()`)
      subjects.push({ suite, label, capabilities: plainCapabilities(suite, factory) })
    }
  }
  if (subjects.length === 0) {
    const exported = Object.keys(module)
    throw new TypeError(
      `None of ${Object.values(HARNESS_EXPORTS).join(', ')} is exported with a harness; there is ${exported.length === 0 ? 'nothing' : exported.slice(0, 10).join(', ')}`
    )
  }
  return subjects
}

function plainCapabilities(suite: ContractSuite, factory: NonNullable<AnyHarness['factory']>): Record<string, unknown> {
  if (suite === 'socket-factory') return { framing: factory.framing }
  return isRecord(factory.capabilities) ? { ...factory.capabilities } : {}
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
