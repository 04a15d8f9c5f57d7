/**
 * The `kithmesh` command as a library: run a command line inside your own program.
 *
 * @example
 * import { runCommandLine } from '@kithmesh/cli'
 *
 * const code = await runCommandLine(['ls', './shop'], {
 *   stdin: process.stdin, stdout: process.stdout, stderr: process.stderr,
 *   interactive: false, colours: false, signal: new AbortController().signal, environment: {}
 * }, '0.0.0')
 * process.exitCode = code
 *
 * @packageDocumentation
 */
export { cliErrors } from './errors.ts'
export type { Io } from './io.ts'
export { runCommandLine } from './program.ts'
