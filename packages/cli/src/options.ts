import { cliErrors } from './errors.ts'

/** `user:password`; the password may contain colons. `where` it was found is for the error, which does not repeat the text. */
export function parseUser(text: string, where: string): { readonly username: string; readonly password: string } {
  const colon = text.indexOf(':')
  if (colon < 1) throw cliErrors.create('ERR_CLI_USAGE', `${where} takes user:password`)
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/** A TCP port, 0 to 65535. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a port between 0 and 65535`)
  return port
}

/** A whole number of at least `least`. */
export function parseCount(least: number): (text: string) => number {
  return (text) => {
    const count = Number(text)
    if (!/^\d+$/.test(text) || count < least) throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a whole number of at least ${least}`)
    return count
  }
}

/** `name` or `scope.name`. */
export function parseCollection(text: string): { readonly scope: string; readonly name: string } {
  const parts = text.split('.')
  if (parts.length > 2 || parts.some((part) => part === ''))
    throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a collection: write name or scope.name`)
  return parts.length === 2 ? { scope: parts[0] as string, name: parts[1] as string } : { scope: '_default', name: text }
}

/** Collects a repeatable option. */
export function repeat<T>(parse: (text: string) => T): (text: string, earlier: readonly T[] | undefined) => T[] {
  return (text, earlier) => [...(earlier ?? []), parse(text)]
}

/** The value of `--user`. */
export function parseUserOption(text: string): { readonly username: string; readonly password: string } {
  return parseUser(text, '--user')
}
