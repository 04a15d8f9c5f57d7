import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { certify } from './certify.ts'
import { describeError } from './describe-error.ts'
import { certificationMarkdown } from './markdown.ts'
import { CERTIFY_SUITES } from './module.ts'
import type { CertifySuite } from './module.ts'
import type { CertificationReport } from './report.ts'

const HELP = `kithmesh-certify [options] [package]

Runs the conformance suites against a plugin package (default: the current directory) and prints a report in Markdown.

  --suite NAME      only ${CERTIFY_SUITES.join(', ')}; repeatable
  --grep PATTERN    only checks whose name matches the regular expression
  --timeout SECONDS bound for each check (60)
  --json            print the report as one line of JSON
  --markdown FILE   write the report as Markdown to a file, too
  --help            print this

Checks that fail are also told on standard error, as they do.
Ends with 0 when no check failed, 1 when one did, 2 when the command line makes no sense.
`

/** Where the program writes. */
export interface CommandLineOutput {
  readonly out: (text: string) => void
  readonly err: (text: string) => void
}

/** The program `kithmesh-certify`. @returns its exit code */
export async function runCertify(words: readonly string[], { out, err }: CommandLineOutput, signal?: AbortSignal): Promise<number> {
  let asked: ReturnType<typeof parse>
  try {
    asked = parse(words)
  } catch (error) {
    err(`${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  if (asked.help) {
    out(HELP)
    return 0
  }
  try {
    const report = await certify(asked.path, {
      ...asked.options,
      ...(signal === undefined ? {} : { signal }),
      // A plugin with a call that hangs takes minutes, and the report comes at the end.
      onCheck({ suite, subject, name, state, reason = '' }) {
        if (state === 'failed') err(`failed: ${subject === '' ? suite : `${suite} ${subject}`} > ${name}: ${reason.split('\n')[0]}\n`)
      }
    })
    const markdown = certificationMarkdown(report)
    if (asked.markdown !== undefined) await writeFile(asked.markdown, markdown)
    out(asked.json ? certificationJson(report) : `${markdown}\n`)
    return report.failed === 0 ? 0 : 1
  } catch (error) {
    err(`${describeError(error).split('\n  at ')[0]}\n`)
    return 1
  }
}

/** The report as one line of JSON, the numbers first. */
export function certificationJson({ passed, failed, checks, capabilities, versions, ...rest }: CertificationReport): string {
  return `${JSON.stringify({ passed, failed, checks, capabilities, versions, ...rest })}\n`
}

function parse(words: readonly string[]) {
  const { values, positionals } = parseArgs({
    args: [...words],
    allowPositionals: true,
    options: {
      suite: { type: 'string', multiple: true },
      grep: { type: 'string' },
      timeout: { type: 'string' },
      json: { type: 'boolean' },
      markdown: { type: 'string' },
      help: { type: 'boolean' }
    }
  })
  if (positionals.length > 1) throw new TypeError('There is one package at a time')
  const wrong = values.suite?.find((name) => !CERTIFY_SUITES.includes(name as CertifySuite))
  if (wrong !== undefined) throw new TypeError(`${wrong} is no suite: there are ${CERTIFY_SUITES.join(', ')}`)
  const seconds = Number(values.timeout ?? 60)
  if (!(seconds > 0 && seconds < 86_400)) throw new TypeError('--timeout is a number of seconds')
  return {
    path: positionals[0] ?? '.',
    help: values.help === true,
    json: values.json === true,
    markdown: values.markdown,
    options: {
      timeoutMs: seconds * 1000,
      ...(values.suite === undefined ? {} : { suites: values.suite as CertifySuite[] }),
      ...(values.grep === undefined ? {} : { grep: new RegExp(values.grep, 'u') })
    }
  }
}
