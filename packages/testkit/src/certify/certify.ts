import { fileURLToPath } from 'node:url'
import { describeError } from './describe-error.ts'
import { certifyErrors } from './errors.ts'
import type { ImportedEntry } from './messages.ts'
import { CERTIFY_SUITES } from './module.ts'
import type { Subject } from './module.ts'
import { type PackageCheck, importChecks, staticChecks } from './package-checks.ts'
import { importableEntries, readPluginPackage, versionFoundFrom, versionIn } from './plugin-package.ts'
import type { CertifyOptions, Run } from './run.ts'
import { reportOf } from './report.ts'
import type { CertificationReport, CertifiedCheck } from './report.ts'
import { howItEnded, runChild } from './run-child.ts'
import { certifySubject } from './subject.ts'

/** Time for a process to end by itself once everything is shut down, milliseconds. */
const END_MS = 3000

/**
 * Runs the conformance suites over the harnesses of a plugin package, and checks the package itself. Everything of the plugin runs in
 * processes of its own: whether it hangs, crashes or ends the process, the check under way fails and the others go on.
 *
 * @param path of the package's directory.
 * @returns what every check found; nothing that a plugin does makes it reject.
 * @throws ERR_CERTIFY_PACKAGE when there is no package, ERR_CERTIFY_NOTHING when no check was asked for, the signal's reason.
 *
 * @example
 * const report = await certify('./my-plugin')
 * console.log(certificationMarkdown(report))
 */
export async function certify(path: string, options: CertifyOptions = {}): Promise<CertificationReport> {
  const plugin = readPluginPackage(path)
  const { signal, grep, suites = CERTIFY_SUITES, timeoutMs = 60_000 } = options
  const checks: CertifiedCheck[] = []
  const run: Run = {
    plugin,
    options,
    timeoutMs,
    wants: (name) => grep === undefined || name.search(grep) >= 0,
    add(check) {
      checks.push(check)
      options.onCheck?.(check)
    },
    child: (onMessage) => ({ signal, silenceMs: timeoutMs, endMs: END_MS, onMessage })
  }
  signal?.throwIfAborted()
  if (suites.includes('package')) await certifyPackage(run)
  signal?.throwIfAborted()
  const subjects = plugin.certifyModule === undefined ? [] : await listSubjects(run, plugin.certifyModule)
  const chosen = subjects.filter(({ suite }) => suites.includes(suite))
  for (const subject of chosen) {
    signal?.throwIfAborted()
    await certifySubject(run, plugin.certifyModule as string, subject)
  }
  signal?.throwIfAborted()
  if (checks.length === 0) throw certifyErrors.create('ERR_CERTIFY_NOTHING', `No check of ${plugin.root} was asked for`)
  return reportOf({
    package: typeof plugin.manifest.name === 'string' ? plugin.manifest.name : plugin.root,
    checks,
    capabilities: Object.fromEntries(chosen.map(({ suite, label, capabilities }) => [`${suite} ${label}`, capabilities])),
    versions: {
      plugin: typeof plugin.manifest.version === 'string' ? plugin.manifest.version : undefined,
      core: versionFoundFrom(plugin.root, '@kithmesh/core'),
      testkit: versionIn(fileURLToPath(new URL('../../package.json', import.meta.url))),
      node: process.versions.node,
      platform: `${process.platform}-${process.arch}`
    }
  })
}

async function certifyPackage(run: Run): Promise<void> {
  report(run, staticChecks(run.plugin))
  const entries = importableEntries(run.plugin)
  const imported: ImportedEntry[] = []
  const output: string[] = []
  const started = performance.now()
  const end = await runChild(
    { kind: 'import', root: run.plugin.root, entries },
    run.child((message) => {
      if (message.type === 'imported') imported.push(message.imported)
      if (message.type === 'output') output.push(message.text)
      if (message.type === 'uncaught') output.push(`thrown past everybody: ${message.reason}`)
    })
  )
  run.options.signal?.throwIfAborted()
  const ms = Math.round(performance.now() - started)
  const missing = entries.find(({ entry }) => !imported.some((known) => known.entry === entry))
  if (imported.length === 0) {
    const reason = missing === undefined ? 'there is no entry to import' : `${missing.entry} did not get that far`
    for (const { name } of importChecks([]))
      if (run.wants(name)) run.add({ suite: 'package', subject: '', name, state: 'skipped', reason, ms: 0 })
  } else report(run, importChecks(imported), ms)
  report(run, [
    {
      name: 'import > writes nothing',
      run: () => {
        const text = [...output, end.stdout, end.stderr].join('').trim()
        return text === '' ? undefined : `writes ${JSON.stringify(text.slice(0, 300))}`
      }
    },
    {
      name: 'import > neither ends the process nor keeps it alive',
      run: () => {
        if (!end.finished) return `${missing === undefined ? '' : `${missing.entry}: `}${howItEnded(end)}`
        return end.how === 'lingering' ? 'something keeps the process alive after the import' : undefined
      }
    }
  ])
}

function report(run: Run, checks: readonly PackageCheck[], ms = 0): void {
  for (const { name, run: body } of checks) {
    if (!run.wants(name)) continue
    let reason: string | undefined
    try {
      reason = body()
    } catch (error) {
      reason = describeError(error)
    }
    run.add({ suite: 'package', subject: '', name, ms, ...(reason === undefined ? { state: 'passed' } : { state: 'failed', reason }) })
  }
}

/** The module's harnesses; a module that cannot be loaded is a failed check, and there is nothing else to run. */
async function listSubjects(run: Run, module: string): Promise<readonly Subject[]> {
  let subjects: readonly Subject[] | undefined
  let refused: string | undefined
  const end = await runChild(
    { kind: 'list', module },
    {
      ...run.child((message) => {
        if (message.type === 'subjects') subjects = message.subjects
        if (message.type === 'refused') refused = message.reason
      }),
      // Whether it can end by itself is seen when its suites have run.
      endMs: 0
    }
  )
  run.options.signal?.throwIfAborted()
  const reason = refused ?? (subjects === undefined ? howItEnded(end) : undefined)
  const name = 'harnesses > can be loaded'
  // Whatever was asked for: without harnesses nothing of it can be said.
  if (reason !== undefined) run.add({ suite: 'package', subject: '', name, state: 'failed', reason, ms: 0 })
  else if (run.wants(name) && (run.options.suites ?? CERTIFY_SUITES).includes('package'))
    run.add({ suite: 'package', subject: '', name, state: 'passed', ms: 0 })
  return subjects ?? []
}
