import { Option } from 'commander'
import { errorCode } from '@kithmesh/core/plugin'
import { Database, type DocumentVersioning, type OpenOptions } from '@kithmesh/database'
import { cliErrors } from './errors.ts'
import { type Io, line } from './io.ts'

/** What {@link versioningOption} and {@link upgradeOption} add to a command's options. */
export interface VersioningOptions {
  readonly versioning?: DocumentVersioning
  readonly upgrade?: true
}

/** For `addHelpText` of commands with these options. */
export const VERSIONING_HELP = `
Revisions: devices can only replicate when all of their databases name revisions alike. Couchbase Lite up to 3.x uses rev-trees,
the default; Couchbase Lite 4 uses version-vectors; Sync Gateway 4 takes both, earlier ones rev-trees. --upgrade turns an existing database
to version-vectors for good.`

/** `--versioning`, of commands that may make a database. */
export const versioningOption = (): Option =>
  new Option('--versioning <scheme>', 'how a new database names revisions: rev-trees (default) or version-vectors').argParser(
    parseVersioning
  )

/** `--upgrade`, beside it. */
export const upgradeOption = (): Option =>
  new Option('--upgrade', 'with --versioning version-vectors: turn an existing database with rev-trees; cannot be undone')

/** @throws ERR_CLI_USAGE */
function parseVersioning(text: string): DocumentVersioning {
  if (text !== 'rev-trees' && text !== 'version-vectors')
    throw cliErrors.create('ERR_CLI_USAGE', `--versioning takes rev-trees or version-vectors, not ${JSON.stringify(text)}`)
  return text
}

/**
 * Opens a database directory as these options say. A new one is made with the scheme that is wanted; one that exists keeps its own, unless
 * it may be upgraded.
 * @throws ERR_CLI_USAGE, ERR_CLI_VERSIONING when the database has another scheme, and what opening it throws.
 */
export async function openVersioned(
  directory: string,
  { versioning, upgrade }: VersioningOptions,
  io: Io,
  options: Omit<OpenOptions, 'versioning'>
): Promise<Database> {
  if (upgrade === true && versioning !== 'version-vectors')
    throw cliErrors.create('ERR_CLI_USAGE', '--upgrade goes with --versioning version-vectors')
  if (versioning === undefined) return await Database.open(directory, options)
  const existing = await openExisting(directory, options)
  if (existing === undefined) return await Database.open(directory, { ...options, versioning })
  if (existing.versioning === versioning) return existing
  const { versioning: found } = existing
  await existing.close()
  if (found === 'rev-trees' && upgrade === true) {
    const upgraded = await Database.open(directory, { ...options, versioning })
    line(
      { ...io, stdout: io.stderr },
      `${directory} was upgraded to version-vectors: peers with rev-trees cannot replicate with it any more`
    )
    return upgraded
  }
  throw cliErrors.create(
    'ERR_CLI_VERSIONING',
    `${directory} has ${found}, not ${versioning}`,
    found === 'rev-trees'
      ? {}
      : { hint: 'There is no way back from version-vectors: leave --versioning out, or replicate into a new directory.' }
  )
}

async function openExisting(directory: string, options: OpenOptions): Promise<Database | undefined> {
  try {
    return await Database.open(directory, { ...options, createIfMissing: false })
  } catch (error) {
    if (errorCode(error) === 'ERR_DB_NOT_FOUND' && options.createIfMissing !== false) return undefined
    throw error
  }
}
