import { formatHostPort } from '@kithmesh/core/plugin'
import type { RelayUrls } from '@kithmesh/relay'
import type { Login } from '../credentials.ts'

/**
 * What to give to `kithmesh sync` on each device: options and their values, one after the other.
 * @param login undefined: a place to write it.
 */
export function syncOptions(urls: RelayUrls, login: Login | undefined): string[] {
  const { username, password } = login ?? { username: 'USER', password: 'PASSWORD' }
  // All addresses lead to one broker: named twice, its last will for one connection would take back what the other one said.
  const [broker = ''] = urls.brokers
  const isTls = (url: string): boolean => url.startsWith('turns:')
  return [
    '--broker',
    broker.replace('://', `://${encodeURIComponent(username)}:${encodeURIComponent(password)}@`),
    ...urls.stun.flatMap((url) => ['--stun', url]),
    ...[...urls.turn.filter((url) => !isTls(url)), ...urls.turn.filter(isTls)].flatMap((url) => ['--turn', url]),
    '--turn-user',
    `${username}:${password}`
  ]
}

/** The same URLs with a host name for the broker and TURN, as certificates have it. STUN servers are told apart by their addresses. */
export function named(urls: RelayUrls, name: string | undefined): RelayUrls {
  if (name === undefined) return urls
  const rename = (url: string): string => {
    const port = Number(/:(\d+)$/.exec(url)?.[1])
    const scheme = /^[a-z]+:(?:\/\/)?/.exec(url)?.[0] ?? ''
    return `${scheme}${formatHostPort(name, port)}`
  }
  return { brokers: [...new Set(urls.brokers.map(rename))], stun: urls.stun, turn: [...new Set(urls.turn.map(rename))] }
}

/** As a POSIX shell takes it for one word. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
