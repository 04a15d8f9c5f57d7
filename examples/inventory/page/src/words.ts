import type { ConnectionState, ErrorView, ItemVersionView } from '#contracts'

/** Pure: how things are called on the page. */

export const stateWords: Readonly<Record<ConnectionState, string>> = {
  connecting: 'connecting',
  busy: 'syncing',
  connected: 'connected',
  offline: 'waiting',
  disconnected: 'disconnected'
}

const reasonWords: Readonly<Record<string, string>> = {
  'added-up': 'both changed it: the changes add up',
  'later-name': 'two names: the later one',
  'later-picture': 'two pictures: the later one',
  kept: 'one removed it, but the other changed it, so it stays',
  removed: 'removed',
  foreign: 'the sides do not say what they changed: the larger value'
}

/** @param here Name of the side whose version was the local one. */
export function reasonsInWords(reasons: readonly string[], here: string, there: string): string {
  const words: Readonly<Record<string, string>> = {
    ...reasonWords,
    'taken-local': `only ${here} had changed it`,
    'taken-remote': `only ${there} had changed it`
  }
  return reasons.map((reason) => words[reason] ?? reason).join('; ')
}

export function versionInWords(version: ItemVersionView | undefined): string {
  if (version === undefined) return 'not in the list'
  return version.removed ? `${version.name}, removed` : `${version.name} × ${version.quantity}`
}

export function sizeInWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}

/** In groups of four, to be read aloud. */
export function fingerprintInWords(hex: string): string {
  return hex.replace(/(.{4})(?=.)/g, '$1 ')
}

export function timeInWords(iso: string): string {
  const time = new Date(iso)
  return Number.isNaN(time.getTime()) ? '' : time.toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'medium' })
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}

const headlines: Readonly<Record<string, string>> = {
  ERR_IDENTITY_UNTRUSTED: 'Its certificate is not accepted.',
  ERR_IDENTITY_REFUSED: 'Its certificate is not accepted.',
  ERR_REPL_UNAUTHORIZED: 'It does not accept the name or the password.',
  ERR_REPL_NOT_FOUND: 'It has no such list.',
  ERR_REPL_AWAY: 'It is not on the network at the moment.'
}

/** What went wrong, in a sentence where we know one, and what to do about it. */
export function errorInWords({ code, reason, message, hint }: ErrorView): string {
  const headline = headlines[reason] ?? headlines[code]
  const sentences = [headline ?? message, ...(headline === undefined || headline === message ? [] : [message]), hint]
  return sentences
    .filter((text) => text !== '')
    .map((text) => (/[.!?]$/.test(text) ? text : `${text}.`))
    .join(' ')
}
