import { isIP } from 'node:net'
import { clockErrors } from './errors.ts'

const NTP_PORT = 123

/** Where to ask. */
export interface NtpServer {
  /** As the user wrote it. */
  readonly name: string
  readonly host: string
  readonly port: number
}

/**
 * Reads `host`, `host:port`, `[IPv6]:port` or a plain IPv6 address, each with or without `ntp://`. The port is 123 unless named.
 * @throws ERR_NTP_SERVER
 */
export function parseServer(name: string): NtpServer {
  if (typeof name !== 'string') throw new TypeError('The name of a time server is text')
  const text = name.replace(/^ntp:\/\//i, '')
  if (isIP(text) !== 0) return { name, host: text, port: NTP_PORT }
  const { host, port } = /^(?<host>\[[^\]]+\]|[^:[\]/]+)(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {}
  const bare = host?.replace(/^\[|\]$/g, '') ?? ''
  const number = port === undefined ? NTP_PORT : Number(port)
  const isHost = host?.startsWith('[') === true ? isIP(bare) === 6 : isIP(bare) === 4 || isHostName(bare)
  if (!isHost || number < 1 || number > 65_535) throw clockErrors.create('ERR_NTP_SERVER', `"${name}" is not a time server's name`)
  return { name, host: bare, port: number }
}

function isHostName(text: string): boolean {
  return text.length <= 253 && /^(?!(?:.*\.)?\d+\.?$)[a-z\d_]([a-z\d_-]*[a-z\d])?(\.[a-z\d_]([a-z\d_-]*[a-z\d])?)*\.?$/i.test(text)
}
