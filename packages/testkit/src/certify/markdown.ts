import type { CertificationReport, CertifiedCheck } from './report.ts'

/** Names of checks that failed like another one; the table has all of them. */
const MAX_ALSO = 10

/** The report as Markdown, for people, pull requests and READMEs: every check by name. Text of the plugin is escaped. */
export function certificationMarkdown(report: CertificationReport): string {
  const { versions } = report
  const certified = report.failed === 0 && report.passed > 0
  const lines = [
    `# ${escaped(report.package)}: ${certified ? 'certified' : 'not certified'}`,
    '',
    `${report.passed} passed, ${report.failed} failed, ${report.skipped} skipped.`,
    '',
    '| what | version |',
    '| --- | --- |',
    `| ${escaped(report.package)} | ${escaped(versions.plugin ?? 'unknown')} |`,
    `| @kithmesh/core | ${escaped(versions.core ?? 'unknown')} |`,
    `| @kithmesh/testkit | ${escaped(versions.testkit ?? 'unknown')} |`,
    `| Node | ${escaped(versions.node)} |`,
    `| platform | ${escaped(versions.platform)} |`,
    ''
  ]
  const failed = report.checks.filter(({ state }) => state === 'failed')
  if (failed.length > 0) {
    lines.push('## Failures', '')
    for (const checks of byCause(failed)) {
      const [first, ...others] = checks.map((check) => `**${escaped(title(check))} > ${escaped(check.name)}**`)
      const also = others.slice(0, MAX_ALSO).map((name) => `  - ${name}`)
      const more = others.length > MAX_ALSO ? [`  - and ${others.length - MAX_ALSO} more`] : []
      lines.push(
        `- ${first}`,
        ...indented(checks[0]?.reason),
        ...(others.length === 0 ? [] : ['', '  In the same way:', '', ...also, ...more])
      )
    }
    lines.push('')
  }
  for (const [heading, checks] of grouped(report.checks)) {
    lines.push(`## ${escaped(heading)}`, '')
    const capabilities = report.capabilities[heading]
    if (capabilities !== undefined) {
      const declared = Object.entries(capabilities).map(([name, value]) => `${name}: ${JSON.stringify(value) ?? 'undefined'}`)
      lines.push(`Declared: ${declared.length === 0 ? 'nothing' : escaped(declared.join(', '))}.`, '')
    }
    lines.push('| check | result |', '| --- | --- |')
    for (const check of checks) lines.push(`| ${escaped(check.name)} | ${result(check)} |`)
    lines.push('')
  }
  return lines.join('\n')
}

/** Checks that failed with the same words are told once: one mistake fails many. */
function byCause(failed: readonly CertifiedCheck[]): readonly (readonly CertifiedCheck[])[] {
  const causes = new Map<string, CertifiedCheck[]>()
  for (const check of failed) {
    const cause = `${title(check)}\n${(check.reason ?? '').split('\n')[0]}`
    causes.set(cause, [...(causes.get(cause) ?? []), check])
  }
  return [...causes.values()]
}

function result({ state, reason }: CertifiedCheck): string {
  if (state === 'skipped') return `skipped: ${escaped(reason ?? '')}`
  return state === 'failed' ? '**failed**' : 'passed'
}

function title({ suite, subject }: CertifiedCheck): string {
  return subject === '' ? suite : `${suite} ${subject}`
}

function grouped(checks: readonly CertifiedCheck[]): ReadonlyMap<string, readonly CertifiedCheck[]> {
  const groups = new Map<string, CertifiedCheck[]>()
  for (const check of checks) {
    const key = title(check)
    const group = groups.get(key) ?? []
    group.push(check)
    groups.set(key, group)
  }
  return groups
}

/** As a code block inside a list item, where nothing is markup; longer than any fence within. */
function indented(reason = ''): string[] {
  const body = reason.split('\n').map((line) => line.replace(/[\p{Cc}\p{Cf}]/gu, ' '))
  const fence = '`'.repeat(Math.max(3, 1 + Math.max(0, ...(reason.match(/`+/g) ?? []).map((ticks) => ticks.length))))
  return [`  ${fence}text`, ...body.map((line) => `  ${line}`), `  ${fence}`]
}

function escaped(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ').replace(/[\\`*_[\]<>|#]/g, (character) => `\\${character}`)
}
