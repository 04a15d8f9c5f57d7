import { run } from '../support/kithmesh.mjs'

/** Runs `kithmesh doctor --json`: its exit code, its findings by what they are about, and the summary. */
export async function doctor(words, options = {}) {
  const { code, err, lines } = await run(['doctor', ...words, '--json'], options)
  const findings = new Map(lines.filter(({ event }) => event === 'finding').map((finding) => [finding.check, finding]))
  return {
    code,
    err,
    findings,
    summary: lines.find(({ event }) => event === 'finished'),
    about: (check) => {
      const finding = [...findings.values()].find((each) => each.check === check || each.check.startsWith(`${check} `))
      if (finding === undefined) throw new Error(`nothing about ${check} in ${[...findings.keys()].join(', ')}; ${err}`)
      return finding
    }
  }
}
