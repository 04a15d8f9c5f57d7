// Type-checks every ```ts block of the READMEs, docs/ and the comments that open the public entries, against the built packages.
// A block is a module of its own; what is wrong is reported at its place in the page. Blocks cannot opt out. Needs a built checkout.
// Before that, looks whether the files and headings exist that pages and drawings name and link to, and whether anything is left out of the map, of
// the ways from the README or of the suites that CONTRIBUTING tells of (lib/doc-map.mjs). After it, pages whose blocks are marked as the files
// of a whole are played: written into a folder of temp/, compiled, and run as the page says (lib/page-project.mjs).
//   node tools/check-docs.mjs PAGE…             plays these pages only, and does nothing else
//   node tools/check-docs.mjs --update PAGE…    first brings the files that they show up to date with the folder they are about
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { markdownBlocks, packageDocumentationBlocks } from './lib/code-blocks.mjs'
import { gapsOfTheMap, unreachable, untoldSuites } from './lib/doc-map.mjs'
import { headingAnchors, localLinks, malformedLinks, namedPaths } from './lib/doc-references.mjs'
import { publicEntries, publishedPackages } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { differences, pageProject, playPage, updatedPage } from './lib/page-project.mjs'
import { root, runTool } from './lib/run.mjs'
import { packageFolders } from './lib/specs.mjs'

function markdownFiles() {
  const docs = existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', name)) : []
  const readmes = [...packageFolders('packages'), ...packageFolders('examples')].map((folder) => join(folder, 'README.md'))
  return ['README.md', 'CONTRIBUTING.md', ...readmes, ...docs].filter((file) => file.endsWith('.md') && existsSync(join(root, file)))
}

function allBlocks() {
  const read = (file) => readFileSync(join(root, file), 'utf8')
  const sources = [
    ...new Set(
      publicEntries().map(({ folder, code }) => join(folder, 'src', code.slice(join(folder, 'dist').length + 1).replace(/\.js$/, '.ts')))
    )
  ]
  const fromMarkdown = markdownFiles().flatMap((file) => markdownBlocks(read(file)).map((block) => ({ file, ...block })))
  const fromSources = sources
    .filter((file) => existsSync(join(root, file)))
    .flatMap((file) => packageDocumentationBlocks(read(file)).map((block) => ({ file, ...block })))
  return [...fromMarkdown, ...fromSources]
}

/** The pages above and the READMEs of the suites, which have no code to compile. */
function referringPages() {
  const suites = ['tests', 'tests/e2e', 'tests/interop', 'bench', 'docs'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name, 'README.md'))
  )
  return [...new Set([...markdownFiles(), ...suites.filter((file) => existsSync(join(root, file)))])]
}

/** Where a path named on a page may be: in the repository, beside the page, or in a folder above the path named before it. */
function isThere(path, file, near) {
  const folders = ['.', dirname(file)]
  for (let folder = near === undefined ? '.' : dirname(near); folder !== '.'; folder = dirname(folder)) folders.push(folder)
  return folders.some((folder) => existsSync(join(root, folder, path)))
}

/** One line for each reference that leads nowhere. */
function danglingReferences() {
  const anchors = (file) => headingAnchors(readFileSync(join(root, file), 'utf8'))
  return referringPages().flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const missing = namedPaths(text)
      .filter(({ path, near }) => !isThere(path, file, near))
      .map(({ line, path }) => `${file}:${line}: there is no ${path}`)
    const broken = localLinks(text).flatMap(({ line, file: target, heading }) => {
      const linked = target === '' ? file : join(dirname(file), target)
      if (!existsSync(join(root, linked))) return [`${file}:${line}: links to ${target}, which does not exist`]
      if (heading === undefined) return []
      const page = linked.endsWith('.md') ? linked : join(linked, 'README.md')
      return anchors(page).has(heading) ? [] : [`${file}:${line}: ${page} has no heading #${heading}`]
    })
    const malformed = malformedLinks(text).map(({ line, problem }) => `${file}:${line}: ${problem}`)
    return [...missing, ...broken, ...malformed]
  })
}

const project = join(root, 'temp', 'docs')

/** Writes one file for each block, with empty lines in front so that its line numbers are those of the page. */
function writeProject(blocks) {
  rmSync(project, { recursive: true, force: true })
  mkdirSync(project, { recursive: true })
  for (const [index, { line, code }] of blocks.entries())
    writeFileSync(join(project, `block-${index}.ts`), `${'\n'.repeat(line - 1)}${code}\nexport {}\n`)
  const compilerOptions = {
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noEmit: true,
    noUnusedLocals: false,
    noUnusedParameters: false,
    types: ['node', 'mocha']
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }\n')
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ extends: '../../tsconfig.base.json', compilerOptions, include: ['*.ts'] }))
}

/** Every page with files or runs; a page that says neither is none of them. */
function pageProjects(pages) {
  return pages.flatMap((page) => {
    try {
      const found = pageProject(readFileSync(join(root, page), 'utf8'))
      return found === undefined ? [] : [{ page, ...found }]
    } catch (error) {
      throw new Error(`${page}: ${error.message}`, { cause: error })
    }
  })
}

function update(page) {
  const text = readFileSync(join(root, page), 'utf8')
  const { project } = pageProject(text) ?? {}
  if (project !== undefined)
    writeFileSync(
      join(root, page),
      updatedPage(text, (path) => readFileSync(join(root, project, path), 'utf8'))
    )
}

/** A folder with the programs of this checkout: npm links those of a workspace when it installs, and not when a package gets one. */
function linkPrograms() {
  const folder = join(root, 'temp', 'pages', 'bin')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const { folder: from, manifest } of publishedPackages())
    for (const [name, program] of Object.entries(manifest.bin ?? {})) symlinkSync(join(root, from, program), join(folder, name))
  return folder
}

/** Compiles and runs the pages one after the other. Gives back what is wrong. */
async function play(projects) {
  const problems = projects.flatMap(({ page, ...rest }) => differences(page, rest, root))
  if (problems.length > 0) return problems
  const env = { PATH: `${linkPrograms()}${delimiter}${process.env.PATH}` }
  for (const { page, ...rest } of projects) {
    const folder = join(root, 'temp', 'pages', page.replaceAll('/', '-').replace(/\.md$/, ''))
    const started = Date.now()
    const { ran, problems: found } = await playPage(page, rest, { root, folder, env })
    if (found.length > 0) return found
    const types = rest.steps.some(({ is, path }) => is === 'file' && path.endsWith('.ts'))
    if (types && !existsSync(join(folder, 'tsconfig.json'))) return [`${page}: shows files in TypeScript, but no tsconfig.json`]
    const { code, text } = types
      ? await runTool('node_modules/typescript/bin/tsc', ['-p', folder, '--noEmit', '--pretty', 'false'], { output: 'collect' })
      : { code: 0, text: '' }
    if (code !== 0) return [`${page}: ${text}`]
    console.log(`${page}: ${ran} blocks run in ${Math.round((Date.now() - started) / 1000)} s`)
  }
  return []
}

await main(async () => {
  const chosen = process.argv.slice(2).filter((argument) => argument !== '--update')
  if (process.argv.includes('--update')) for (const page of chosen) update(page)
  const projects = pageProjects(chosen.length > 0 ? chosen : markdownFiles())
  if (chosen.length > 0) {
    if (projects.length === 0) throw new Error(`${chosen.join(', ')}: nothing is to be run there`)
    const found = await play(projects)
    for (const problem of found) console.log(problem)
    return found.length === 0 ? 0 : 1
  }
  const blocks = allBlocks()
  const optedOut = blocks.filter(({ info }) => info !== '')
  for (const { file, line, info } of optedOut)
    console.log(`${file}:${line - 1}: a block marked ts stands alone on its line, without "${info}": every one is checked`)
  if (optedOut.length > 0) return 1
  const dangling = [...danglingReferences(), ...gapsOfTheMap(), ...unreachable(markdownFiles()), ...untoldSuites()]
  for (const reference of dangling) console.log(reference)
  if (dangling.length > 0) return 1
  if (blocks.length === 0) throw new Error('no ts block was found in any README, page of docs/ or package comment')
  writeProject(blocks)
  const { code, text } = await runTool('node_modules/typescript/bin/tsc', ['-p', project, '--pretty', 'false'], { output: 'collect' })
  if (code !== 0)
    console.log(
      text.replace(
        /(?:\S*[\\/])?block-(\d+)\.ts\((\d+),(\d+)\)/g,
        (_, index, line, column) => `${blocks[Number(index)].file}:${line}:${column}`
      )
    )
  else console.log(`${blocks.length} code blocks of ${new Set(blocks.map(({ file }) => file)).size} pages compile`)
  const problems = code === 0 ? await play(projects) : []
  for (const problem of problems) console.log(problem)
  return code === 0 && problems.length === 0 ? 0 : 1
})
