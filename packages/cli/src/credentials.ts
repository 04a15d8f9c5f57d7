import { cliErrors } from './errors.ts'
import type { Io } from './io.ts'
import { readNamedFile } from './named-file.ts'
import { parseUser } from './options.ts'

export interface Login {
  readonly username: string
  readonly password: string
}

/** For the options that give logins; other users of the machine see the words of a command, and not these. */
export const USER_FILE_HELP = 'the same, from lines of a file: other users of this machine can see --user in the list of processes'

/**
 * The logins that the user gave: those of `--user` and `--user-file`, or else the one in the variable KITHMESH_USER. Undefined without any.
 * @throws ERR_CLI_FILE, ERR_CLI_USAGE for a file without a login.
 */
export async function givenLogins(
  { user, userFile }: { readonly user?: readonly Login[]; readonly userFile?: string },
  io: Io
): Promise<Login[] | undefined> {
  const fromFile = userFile === undefined ? [] : await readLogins(userFile)
  const given = [...(user ?? []), ...fromFile]
  if (given.length > 0) return given
  const variable = io.environment['KITHMESH_USER'] ?? ''
  return variable === '' ? undefined : [parseUser(variable, 'KITHMESH_USER')]
}

/** The one login for a server. @throws as {@link givenLogins}, and ERR_CLI_USAGE for several. */
export async function givenLogin(options: { readonly user?: Login; readonly userFile?: string }, io: Io): Promise<Login | undefined> {
  const { user, userFile } = options
  const logins = await givenLogins({ ...(user !== undefined && { user: [user] }), ...(userFile !== undefined && { userFile }) }, io)
  if ((logins?.length ?? 0) > 1) throw cliErrors.create('ERR_CLI_USAGE', 'Only one login can be given')
  return logins?.[0]
}

/** The passphrase of a .p12 file: that of the option, or else of the variable KITHMESH_PASSPHRASE. */
export function givenPassphrase(option: string | undefined, io: Io): string {
  return option ?? io.environment['KITHMESH_PASSPHRASE'] ?? ''
}

async function readLogins(path: string): Promise<Login[]> {
  const lines = (await readNamedFile(path)).toString('utf8').split(/\r?\n/)
  const logins = lines.flatMap((text, index) =>
    text.trim() === '' || text.startsWith('#') ? [] : [parseUser(text, `Line ${index + 1} of ${path}`)]
  )
  if (logins.length === 0) throw cliErrors.create('ERR_CLI_USAGE', `${path} has no line with user:password`)
  return logins
}
