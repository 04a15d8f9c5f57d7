// Reports of the public API: one file under api/ for each public entry, committed, so that a change of the API is seen in review.
//   node tools/api-report.mjs            brings the reports up to date
//   node tools/api-report.mjs --check    exits with 1 when one of them differs from the build
// Entries can be named (`core-plugin`) to do only those. Needs a built checkout.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor'
import { publicEntries } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { root } from './lib/run.mjs'

const reports = join(root, 'api')
const temporary = join(root, 'temp', 'api')

const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable', 'dom'],
  module: 'nodenext',
  moduleResolution: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  types: ['node']
}

function extract({ folder, name, types }, checking) {
  const config = ExtractorConfig.prepare({
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, folder, 'package.json'),
    configObject: {
      projectFolder: join(root, folder),
      mainEntryPointFilePath: join(root, types),
      compiler: { overrideTsconfig: { compilerOptions, files: [join(root, types)] } },
      apiReport: { enabled: true, reportFileName: `${name}.api.md`, reportFolder: reports, reportTempFolder: temporary },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        compilerMessageReporting: { default: { logLevel: 'warning' } },
        extractorMessageReporting: {
          default: { logLevel: 'warning' },
          'ae-missing-release-tag': { logLevel: 'none' },
          'ae-forgotten-export': { logLevel: 'none' },
          'ae-undocumented': { logLevel: 'none' },
          'ae-unresolved-link': { logLevel: 'none' }
        },
        tsdocMessageReporting: { default: { logLevel: 'none' } }
      }
    }
  })
  const messages = []
  const result = Extractor.invoke(config, {
    localBuild: !checking,
    showVerboseMessages: false,
    messageCallback: (message) => {
      message.handled = true
      if (message.logLevel === 'error' || message.logLevel === 'warning') messages.push(message.text)
    }
  })
  return {
    changed: result.apiReportChanged,
    messages: messages.filter((text) => !/analysis will use the bundled|API signature|API report file|newer than the bundled/i.test(text))
  }
}

/** Reports whose entry is gone. */
function leftOver(entries) {
  if (!existsSync(reports)) return []
  const wanted = new Set(entries.map((entry) => `${entry.name}.api.md`))
  return readdirSync(reports).filter((file) => file.endsWith('.api.md') && !wanted.has(file))
}

await main(() => {
  const checking = process.argv.includes('--check')
  const named = process.argv.slice(2).filter((arg) => !arg.startsWith('-'))
  const entries = publicEntries()
  const chosen = named.length === 0 ? entries : entries.filter((entry) => named.includes(entry.name))
  mkdirSync(temporary, { recursive: true })
  mkdirSync(reports, { recursive: true })
  let failures = 0
  for (const entry of chosen) {
    if (!existsSync(join(root, entry.types))) throw new Error(`${entry.types} is missing; build first`)
    const before = existsSync(join(reports, `${entry.name}.api.md`)) ? readFileSync(join(reports, `${entry.name}.api.md`), 'utf8') : ''
    const { changed, messages } = extract(entry, checking)
    for (const message of messages) console.log(`${entry.specifier}: ${message}`)
    if (messages.length > 0) failures += 1
    if (!changed) continue
    if (checking) failures += 1
    console.log(
      checking
        ? `${entry.specifier} differs from api/${entry.name}.api.md; run node tools/api-report.mjs and commit the result`
        : `${before === '' ? 'new' : 'changed'}: api/${entry.name}.api.md`
    )
  }
  for (const file of named.length === 0 ? leftOver(entries) : []) {
    console.log(checking ? `api/${file} belongs to no entry any more` : `removed: api/${file}`)
    if (checking) failures += 1
    else rmSync(join(reports, file))
  }
  if (failures === 0) console.log(`${chosen.length} API reports ${checking ? 'agree with the build' : 'are up to date'}`)
  return failures === 0 ? 0 : 1
})
