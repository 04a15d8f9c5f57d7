// Type-checks every ```ts block of the READMEs, docs/ and the comments that open the public entries, against the built packages.
// A block is a module of its own; what is wrong is reported at its place in the page. Blocks cannot opt out. Needs a built checkout.
// Before that, looks whether the files and headings exist that pages name and link to.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { markdownBlocks, packageDocumentationBlocks } from './lib/code-blocks.mjs'
import { headingAnchors, localLinks, namedPaths } from './lib/doc-references.mjs'
import { publicEntries } from './lib/entries.mjs'
import { main } from './lib/main.mjs'
import { root, runTool } from './lib/run.mjs'
import { workspaceFolders } from './lib/specs.mjs'

function markdownFiles() {
  const docs = existsSync(join(root, 'docs')) ? readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', name)) : []
  const readmes = [...workspaceFolders('packages'), ...workspaceFolders('examples')].map((folder) => join(folder, 'README.md'))
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
  const suites = ['tests/e2e', 'tests/interop'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((name) => join(folder, name, 'README.md'))
  )
  return [...markdownFiles(), ...suites.filter((file) => existsSync(join(root, file)))]
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
    return [...missing, ...broken]
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

await main(async () => {
  const blocks = allBlocks()
  const optedOut = blocks.filter(({ info }) => info !== '')
  for (const { file, line, info } of optedOut)
    console.log(`${file}:${line - 1}: a block marked ts stands alone on its line, without "${info}": every one is checked`)
  if (optedOut.length > 0) return 1
  const dangling = danglingReferences()
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
  return code === 0 ? 0 : 1
})
