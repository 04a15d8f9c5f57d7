import type { CertifySuite } from './module.ts'

/** How one check ended. */
export interface CertifiedCheck {
  readonly suite: CertifySuite
  /** Label of the harness; empty for checks of the package. */
  readonly subject: string
  /** Groups and check, joined with ` > `: unique together with suite and subject. */
  readonly name: string
  /** `skipped`: the declared capabilities leave it out; checks of the opposite ran instead where there is something to see. */
  readonly state: 'passed' | 'failed' | 'skipped'
  /** Why it failed or was skipped. */
  readonly reason?: string
  /** Milliseconds that it took; 0 when skipped. */
  readonly ms: number
}

/** What `kithmesh certify` found out about a package. */
export interface CertificationReport {
  readonly package: string
  /** Numbers of checks. A package is certified when some passed and none failed. */
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly checks: readonly CertifiedCheck[]
  /** As declared, by `suite label`. */
  readonly capabilities: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly versions: CertifiedVersions
}

/** Undefined where it cannot be found out. */
export interface CertifiedVersions {
  readonly plugin: string | undefined
  /** Of `@kithmesh/core` as the plugin finds it. */
  readonly core: string | undefined
  readonly testkit: string | undefined
  readonly node: string
  /** E.g. `linux-x64`. */
  readonly platform: string
}

/** Counts the checks. */
export function reportOf(found: Omit<CertificationReport, 'passed' | 'failed' | 'skipped'>): CertificationReport {
  const count = (state: CertifiedCheck['state']): number => found.checks.filter((check) => check.state === state).length
  return {
    package: found.package,
    passed: count('passed'),
    failed: count('failed'),
    skipped: count('skipped'),
    checks: found.checks,
    capabilities: found.capabilities,
    versions: found.versions
  }
}
