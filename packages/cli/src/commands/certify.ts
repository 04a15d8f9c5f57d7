import { writeFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { CertifySuite } from '@kithmesh/testkit/certify'
import { cliErrors } from '../errors.ts'
import { type Io, line } from '../io.ts'
import { parseCount, repeat } from '../options.ts'
import { printable } from '../printable.ts'

const SUITES: readonly CertifySuite[] = ['package', 'provider', 'transport', 'socket-factory', 'storage-engine']

interface CertifyOptions {
  readonly suite?: readonly CertifySuite[]
  readonly grep?: RegExp
  readonly timeout?: number
  readonly json?: true
  readonly markdown?: string
}

export function certifyCommand(parent: Command, io: Io): void {
  parent
    .command('certify')
    .description('run the conformance suites against a plugin package and print a report')
    .argument(
      '<package>',
      'directory of the package, which names its harnesses in package.json: "kithmesh": { "certify": "./certify.mjs" }'
    )
    .option('--suite <name>', `only ${SUITES.join(', ')}; repeatable`, repeat(suite))
    .option('--grep <pattern>', 'only checks whose name matches the regular expression', pattern)
    .option('--timeout <seconds>', 'bound for each check (default: 60)', parseCount(1))
    .option('--json', 'print the report as one line of JSON')
    .option('--markdown <file>', 'write the report as Markdown to a file, too')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh certify .
  kithmesh certify ./my-plugin --markdown certified.md
  kithmesh certify ./my-plugin --suite provider --grep metadata --json

Everything of the plugin runs in processes of its own. With a failed check the command ends with 1.
docs/writing-a-provider.md and docs/writing-a-transport.md say what the suites want.`
    )
    .action(async (path: string, options: CertifyOptions) => {
      const { certificationJson, certificationMarkdown, certify } = await import('@kithmesh/testkit/certify')
      let done = 0
      const report = await certify(path, {
        signal: io.signal,
        ...(options.suite === undefined ? {} : { suites: options.suite }),
        ...(options.grep === undefined ? {} : { grep: options.grep }),
        ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout * 1000 }),
        onCheck(check) {
          done++
          if (!io.interactive) return
          if (check.state === 'failed') io.stderr.write(`failed: ${printable(`${check.name}: ${(check.reason ?? '').split('\n')[0]}`)}\n`)
          else if (done % 25 === 0) io.stderr.write(`${done} checks\n`)
        }
      })
      const markdown = certificationMarkdown(report)
      if (options.markdown !== undefined) await save(options.markdown, markdown)
      if (options.json) io.stdout.write(certificationJson(report))
      else line(io, markdown)
      if (report.failed > 0)
        throw cliErrors.create('ERR_CLI_NOT_CERTIFIED', `${report.failed} of ${report.passed + report.failed} checks failed`)
    })
}

async function save(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text)
  } catch (cause) {
    throw cliErrors.create('ERR_CLI_FILE', `The report cannot be written to ${path}`, { cause })
  }
}

function suite(text: string): CertifySuite {
  const found = SUITES.find((name) => name === text)
  if (found === undefined) throw cliErrors.create('ERR_CLI_USAGE', `${text} is no suite: there are ${SUITES.join(', ')}`)
  return found
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text, 'u')
  } catch (cause) {
    throw cliErrors.create('ERR_CLI_USAGE', `${text} is no regular expression`, { cause })
  }
}
