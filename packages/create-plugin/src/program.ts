import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { parseArgs } from 'node:util'
import { createPlugin } from './create-plugin.ts'
import { CreatePluginError, createPluginErrors } from './errors.ts'
import { type PluginKind, pluginNames } from './plugin-names.ts'

/** What the program speaks through. */
export interface ProgramIo {
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: NodeJS.WritableStream
  /** A person sits before it: what was not said may be asked. */
  readonly interactive: boolean
}

const HELP = `Makes a provider or transport of Kithmesh that works, with tests: a package of your own to build on.

  npm create @kithmesh/plugin my-provider -- --kind provider
  npm create @kithmesh/plugin tunnel -- --kind transport --name @acme/kithmesh-tunnel
  npm create @kithmesh/plugin                   asks, on a terminal

  NAME              of the package and its folder

  --kind KIND       provider: finds devices; transport: connects to them
  --name NAME       of the package, where it differs from the folder's: @acme/kithmesh-tunnel
  --directory DIR   where it is written; has to be empty or not there yet (default: the name, without its scope)
  -y, --yes         ask nothing: a provider called my-provider unless other arguments say otherwise
  --json            print one line of JSON, and ask nothing
  --version
  -h, --help

Nothing is installed, and nothing is ever overwritten. Exit codes: 0 done, 1 failed, 2 misused.
`

interface Arguments {
  readonly positional: string | undefined
  readonly name: string | undefined
  readonly kind: PluginKind | undefined
  readonly directory: string | undefined
  readonly yes: boolean
  readonly json: boolean
  readonly version: boolean
  readonly help: boolean
}

interface Answers {
  readonly name: string
  readonly kind: PluginKind
  readonly directory: string | undefined
}

/** Runs the generator with the arguments of its command line. Gives back the exit code. */
export async function runCreatePlugin(args: readonly string[], io: ProgramIo): Promise<number> {
  const json = args.includes('--json')
  try {
    const values = parse(args)
    if (values.help) {
      io.stdout.write(HELP)
      return 0
    }
    if (values.version) {
      io.stdout.write(`${await ownVersion()}\n`)
      return 0
    }
    const answers = await complete(values, io)
    const created = await createPlugin({
      name: answers.name,
      kind: answers.kind,
      ...(answers.directory === undefined ? {} : { directory: answers.directory })
    })
    const { names, kind, directory, files } = created
    const where = relative('.', directory) || '.'
    const next = [...(where === '.' ? [] : [`cd ${where}`]), 'npm install', 'npm test', 'npm run certify']
    io.stdout.write(
      json
        ? `${JSON.stringify({ name: names.packageName, kind, factory: names.factory, directory, files, next })}\n`
        : `${names.packageName}, a ${kind}, is in ${where}: ${files.length} files.\n\n${next.map((line) => `  ${line}\n`).join('')}\nIts README says what to replace to make it yours.\n`
    )
    return 0
  } catch (error) {
    if (!(error instanceof CreatePluginError)) throw error
    const { message, code, hint, cause } = error
    const because = cause instanceof Error ? cause.message : undefined
    io.stderr.write(
      json
        ? `${JSON.stringify({ error: message, code, hint, ...(because === undefined ? {} : { because }) })}\n`
        : `error ${message} [${code}]\n${because === undefined ? '' : `  because: ${because}\n`}  hint: ${hint}\n`
    )
    return code === 'ERR_CREATE_ARGUMENTS' || code === 'ERR_CREATE_NAME' ? 2 : 1
  }
}

function parse(args: readonly string[]): Arguments {
  let parsed: ReturnType<typeof read>
  try {
    parsed = read(args)
  } catch (cause) {
    throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', (cause as Error).message)
  }
  const { values, positionals } = parsed
  const [positional, ...others] = positionals
  if (others.length > 0)
    throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', `One name is enough, but there is also ${others.join(' ')}`)
  const { kind } = values
  if (kind !== undefined && kind !== 'provider' && kind !== 'transport')
    throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', `--kind is provider or transport, not ${JSON.stringify(kind)}`)
  return { ...values, kind, positional, name: values.name, directory: values.directory }
}

function read(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      kind: { type: 'string' },
      name: { type: 'string' },
      directory: { type: 'string' },
      yes: { type: 'boolean', short: 'y', default: false },
      json: { type: 'boolean', default: false },
      version: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
}

/** Asks for what was not said, where that is possible. */
async function complete(values: Arguments, io: ProgramIo): Promise<Answers> {
  const { positional, name, kind, directory } = values
  const folder = directory ?? (name === undefined ? undefined : positional)
  const called = name ?? positional
  if (called !== undefined) pluginNames(called, kind ?? 'provider')
  if (called !== undefined && kind !== undefined) return { name: called, kind, directory: folder }
  if (values.yes) return { name: called ?? `my-${kind ?? 'provider'}`, kind: kind ?? 'provider', directory: folder }
  if (!io.interactive || values.json) {
    const missing = [...(called === undefined ? ['a name'] : []), ...(kind === undefined ? ['--kind'] : [])]
    throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', `${missing.join(' and ')} must be given where nobody can be asked, or --yes`)
  }
  const lines = createInterface({ input: io.stdin, output: io.stdout, terminal: false })
  try {
    const ask = questioner(lines, io)
    const chosenKind =
      kind ??
      (await ask('A provider, which finds devices, or a transport, which connects to them?', 'provider', (answer) => {
        const chosen = (['provider', 'transport'] as const).find((each) => answer !== '' && each.startsWith(answer.toLowerCase()))
        if (chosen === undefined) throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', 'Answer provider or transport')
        return chosen
      }))
    const chosenName =
      called ??
      (await ask('The name of the package?', `my-${chosenKind}`, (answer) => {
        pluginNames(answer, chosenKind)
        return answer
      }))
    return { name: chosenName, kind: chosenKind, directory: folder }
  } finally {
    lines.close()
  }
}

type Ask = <T>(question: string, preset: string, check: (answer: string) => T) => Promise<T>

/** Asks until an answer makes sense, five times at most. */
function questioner(lines: ReturnType<typeof createInterface>, io: ProgramIo): Ask {
  const answers = lines[Symbol.asyncIterator]()
  return async (question, preset, check) => {
    for (let attempt = 0; attempt < 5; attempt++) {
      io.stdout.write(`${question} (${preset}) `)
      const { value, done } = await answers.next()
      if (done === true) throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', 'There was no answer')
      const answer = (value as string).trim()
      try {
        return check(answer === '' ? preset : answer)
      } catch (error) {
        io.stdout.write(`${(error as Error).message}.\n`)
      }
    }
    throw createPluginErrors.create('ERR_CREATE_ARGUMENTS', 'There was no answer that made sense')
  }
}

async function ownVersion(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return manifest.version
}
