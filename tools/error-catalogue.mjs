// Writes docs/errors.md out of the error catalogues that the entries of the built packages export as `<area>Errors`, or checks it.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { publicEntries } from './lib/entries.mjs'
import { root } from './lib/run.mjs'

const page = join(root, 'docs', 'errors.md')

const usage = `Usage: node tools/error-catalogue.mjs [--check]

Writes docs/errors.md out of the catalogues of all built packages.
  --check   write nothing; exit code 1 when the page is not up to date
  --help    this text
`

function isCatalogue(key, value) {
  return key.endsWith('Errors') && typeof value?.create === 'function' && typeof value.catalogue === 'object'
}

async function load(file) {
  try {
    return await import(pathToFileURL(join(root, file)).href)
  } catch (error) {
    throw new Error(`${file} cannot be loaded; is the build complete? ${error.message}`, { cause: error })
  }
}

/** All rows, by package, of all its entries; fails when a package is not built or a code is declared twice. */
async function collect() {
  const entries = publicEntries()
  const missing = entries.filter(({ code }) => !existsSync(join(root, code)))
  if (missing.length > 0)
    throw new Error(`Build first (npm run build); these are missing:\n${missing.map(({ code }) => `  ${code}`).join('\n')}`)
  const owners = new Map()
  const sections = new Map()
  for (const { folder, specifier, code: file } of entries) {
    for (const [key, value] of Object.entries(await load(file))) {
      if (!isCatalogue(key, value)) continue
      for (const [code, row] of Object.entries(value.catalogue)) {
        const owner = owners.get(code)
        // An entry may re-export another one's catalogue; only different rows under one code are a mistake.
        if (owner !== undefined && (owner.row.when !== row.when || owner.row.hint !== row.hint))
          throw new Error(`${code} is declared differently by ${owner.specifier} and ${specifier}`)
        if (owner !== undefined) continue
        if (!row.when || !row.hint) throw new Error(`${code} of ${specifier} lacks "when" or "hint"`)
        owners.set(code, { specifier, row })
        const name = folder.replace('packages/', '@kithmesh/')
        sections.set(name, [...(sections.get(name) ?? []), [code, row]])
      }
    }
  }
  return [...sections].map(([name, rows]) => ({ name, rows: rows.sort(([one], [other]) => (one < other ? -1 : 1)) }))
}

function render(sections) {
  const cell = (text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  const tables = sections.map(({ name, rows }) =>
    [
      `## ${name}`,
      '',
      '| code | when | what to do |',
      '|---|---|---|',
      ...rows.map(([code, { when, hint }]) => `| \`${code}\` | ${cell(when)} | ${cell(hint)} |`),
      ''
    ].join('\n')
  )
  return [
    '# Errors',
    '',
    'Every error of Kithmesh has a stable `code`, a `hint` and, where another error is behind it, a `cause`. Codes are never reused.',
    'Recognise an error with `isKithmeshError(error, code)`; messages may change.',
    '',
    "This page is written by `node tools/error-catalogue.mjs` out of the packages' catalogues.",
    '',
    ...tables
  ].join('\n')
}

async function main() {
  const options = process.argv.slice(2)
  if (options.includes('--help')) {
    process.stdout.write(usage)
    return
  }
  const unknown = options.find((option) => option !== '--check')
  if (unknown !== undefined) throw new Error(`Unknown option ${unknown}\n\n${usage}`)
  const text = render(await collect())
  if (!options.includes('--check')) {
    writeFileSync(page, text)
    return
  }
  if (!existsSync(page) || readFileSync(page, 'utf8') !== text)
    throw new Error('docs/errors.md is not up to date; run node tools/error-catalogue.mjs')
}

main().catch((error) => {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
})
