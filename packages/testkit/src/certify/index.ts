/**
 * Certifies a plugin package: runs the conformance suites over the harnesses that it names in its package.json, each in a process of
 * its own, and checks the package itself.
 *
 * @example
 * import { certificationMarkdown, certify } from '@kithmesh/testkit/certify'
 *
 * const report = await certify('./my-plugin', { suites: ['package', 'provider'] })
 * console.log(certificationMarkdown(report))
 * process.exitCode = report.failed === 0 ? 0 : 1
 *
 * @packageDocumentation
 */
export { certify } from './certify.ts'
export { certificationJson } from './command-line.ts'
export { certifyErrors } from './errors.ts'
export { certificationMarkdown } from './markdown.ts'
export { CERTIFY_SUITES } from './module.ts'
export type { CertifyModule, CertifySuite, ContractSuite } from './module.ts'
export type { CertifyOptions } from './run.ts'
export type { CertificationReport, CertifiedCheck, CertifiedVersions } from './report.ts'
