import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Command } from 'commander'
import type { Logger, PeerDiscovery } from '@kithmesh/core'
import { addressKind } from '@kithmesh/core/plugin'
import type { Dashboard } from '@kithmesh/dashboard'
import type { Database } from '@kithmesh/database'
import type { Mesh } from '@kithmesh/mesh'
import { cliErrors } from './errors.ts'
import { makeNewFile, readNamedFile } from './named-file.ts'
import { parsePort } from './options.ts'

/** What of a command's options concerns its page. */
export interface WebOptions {
  readonly web?: WebAddress
  readonly webTokenFile?: string
}

export interface WebAddress {
  readonly host: string | undefined
  readonly port: number
}

export const WEB_HELP = `
A page:
  --web 8080             shows on this machine what sync does: devices, routes, documents, errors; and /metrics for Prometheus. The address is
                         printed, with a token in it that is made once and kept in web-token in the database directory; --web-token-file FILE names another file
  --web 192.168.1.4:8080 lets other machines look, too. Token and documents cross the network unencrypted: an SSH tunnel is better`

export function addWebOptions(command: Command): Command {
  return command
    .option(
      '--web <[host:]port>',
      'serve a page about this device, with a token; 0 picks a port (default host: 127.0.0.1)',
      parseWebAddress
    )
    .option(
      '--web-token-file <file>',
      'the token of the page, 16 characters or more, from the first line of the file (default: one that is made and kept)'
    )
}

/** `PORT`, `HOST:PORT` or `[IPv6]:PORT`. @throws ERR_CLI_USAGE */
export function parseWebAddress(text: string): WebAddress {
  const found = /^(?:(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]]+)):)?(\d+)$/.exec(text)
  if (found === null)
    throw cliErrors.create('ERR_CLI_USAGE', `--web takes a port, or an address and a port as in 127.0.0.1:8080; not ${text}`)
  return { host: found[1] ?? found[2], port: parsePort(found[3] as string) }
}

export interface WebParts {
  /** Of the database, where a token is kept that no file was named for. */
  readonly directory: string
  readonly mesh: Mesh
  readonly discovery: PeerDiscovery
  readonly database: Database
  readonly displayName: string
  readonly logger: Logger
}

/**
 * The page that the options ask for, not started yet; undefined when they ask for none.
 * @throws ERR_CLI_USAGE, ERR_CLI_FILE
 */
export async function webPage({ web, webTokenFile }: WebOptions, { directory, ...shown }: WebParts): Promise<Dashboard | undefined> {
  if (web === undefined) {
    if (webTokenFile !== undefined) throw cliErrors.create('ERR_CLI_USAGE', '--web-token-file is for the page of --web')
    return undefined
  }
  const token = webTokenFile === undefined ? await keptToken(directory) : await readToken(webTokenFile)
  const { createDashboard } = await import('@kithmesh/dashboard')
  return createDashboard({
    ...shown,
    title: shown.displayName,
    port: web.port,
    // Whoever names an address wants it.
    ...(web.host === undefined ? {} : { host: web.host, allowRemote: true as const }),
    token
  })
}

/** The token of the database directory, made when there is none; only this user can read it. @throws ERR_CLI_USAGE, ERR_CLI_FILE */
async function keptToken(directory: string): Promise<string> {
  const path = join(directory, 'web-token')
  await makeNewFile(path, `${randomBytes(32).toString('base64url')}\n`, 0o600)
  return await readToken(path)
}

/** The token in a file. @throws ERR_CLI_USAGE, ERR_CLI_FILE */
export async function readToken(file: string): Promise<string> {
  const token = (await readNamedFile(file)).toString('utf8').split('\n')[0]?.trim() ?? ''
  if (!/^[A-Za-z0-9._~-]{16,512}$/.test(token))
    throw cliErrors.create(
      'ERR_CLI_USAGE',
      `the first line of ${file} is to be a token of 16 to 512 characters of A-Z, a-z, 0-9, -, _, . and ~`
    )
  return token
}

/** Whether only programs of this machine get there. */
export function staysHere(host: string | undefined): boolean {
  return host === undefined || host === 'localhost' || addressKind(host)?.kind === 'loopback'
}
