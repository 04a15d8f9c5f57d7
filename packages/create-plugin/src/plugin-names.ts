import { builtinModules } from 'node:module'
import { createPluginErrors } from './errors.ts'

export type PluginKind = 'provider' | 'transport'

/** What a plugin and its parts are called. */
export interface PluginNames {
  /** As npm knows it: `@acme/kithmesh-etcd-provider`. */
  readonly packageName: string
  /** The name without scope, and without words that say what it is: `etcd`. */
  readonly shortName: string
  /** The function that users call: `etcd`. */
  readonly factory: string
  /** For types and classes: `Etcd`. */
  readonly typeName: string
  /** For error codes: `ETCD`. */
  readonly errorArea: string
}

/** Words that a function cannot be called by in strict code (ECMA-262 §12.7.2), and names that would be misleading. */
const RESERVED = new Set(
  (
    'arguments async await break case catch class const continue debugger default delete do else enum eval export extends false finally for ' +
    'function get if implements import in instanceof interface let new null of package private protected public return runner set static super switch ' +
    'this throw true try typeof undefined var void while with yield'
  ).split(' ')
)

/**
 * Derives all names from that of the package. Pure.
 * @throws ERR_CREATE_NAME
 */
export function pluginNames(packageName: string, kind: PluginKind): PluginNames {
  checkPackageName(packageName)
  const words = (packageName.split('/').at(-1) as string).split(/[^a-z0-9]+/).filter((word) => word !== '')
  const telling = words.filter((word) => word !== 'kithmesh' && word !== 'provider' && word !== 'transport')
  const chosen = telling.length === 0 ? ['custom'] : telling
  const camel = chosen.map((word, index) => (index === 0 ? word : capitalised(word))).join('')
  const typeName = /^\d/.test(camel) ? `${capitalised(kind)}${camel}` : capitalised(camel)
  const factory = /^\d/.test(camel) || RESERVED.has(camel) ? `${kind}${capitalised(camel)}` : camel
  return { packageName, shortName: chosen.join('-'), factory, typeName, errorArea: chosen.join('_').toUpperCase() }
}

function checkPackageName(name: string): void {
  const refuse = (why: string): never => {
    throw createPluginErrors.create('ERR_CREATE_NAME', `${JSON.stringify(name)} cannot be the name of a package: ${why}`)
  }
  if (name === '') refuse('it is empty')
  if (name.length > 214) refuse('it is longer than 214 characters')
  if (/[A-Z]/.test(name)) refuse('it has capital letters')
  if (!/^(?:@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/.test(name))
    refuse('only letters, digits and - . _ are allowed, and one scope, @acme/, before it')
  if (['node_modules', 'favicon.ico', ...builtinModules].includes(name)) refuse('it means something else')
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}
