import type { ImportedEntry } from './messages.ts'
import { describeError } from './describe-error.ts'

/** Imports the entries one after the other; a plugin's module has to define things and do nothing. */
export async function watchImports(
  root: string,
  entries: readonly { readonly entry: string; readonly url: string }[],
  tell: (imported: ImportedEntry) => Promise<void>
): Promise<void> {
  const read = watchEnvironment(root)
  for (const { entry, url } of entries) {
    read.clear()
    const before = { resources: process.getActiveResourcesInfo(), globals: globalNames(), listeners: listenerCounts() }
    let names: readonly string[] = []
    let error: string | undefined
    try {
      names = Object.keys((await import(url)) as object)
    } catch (thrown) {
      error = describeError(thrown)
    }
    // Loading itself has handles of its own, which are gone a turn later.
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    await tell({
      entry,
      error,
      names,
      resources: added(before.resources, process.getActiveResourcesInfo()),
      environment: [...read],
      globals: added(before.globals, globalNames()),
      listeners: added(before.listeners, listenerCounts())
    })
  }
}

/** Names of variables that a file below `root`, outside of any node_modules there, looks at. */
function watchEnvironment(root: string): Set<string> {
  const read = new Set<string>()
  const note = (name: string | symbol): void => {
    if (typeof name === 'string' && ownFrame(root)) read.add(name)
  }
  Object.defineProperty(process, 'env', {
    configurable: true,
    value: new Proxy(Reflect.get(process, 'env') as Record<string, string>, {
      get(target, name, receiver) {
        note(name)
        return Reflect.get(target, name, receiver) as unknown
      },
      has(target, name) {
        note(name)
        return Reflect.has(target, name)
      },
      ownKeys(target) {
        note('all of them')
        return Reflect.ownKeys(target)
      }
    })
  })
  return read
}

/** Whether the caller of the watched object is such a file, and not something of Node that it called. */
function ownFrame(root: string): boolean {
  const frames = new Error('').stack?.split('\n').slice(1) ?? []
  const caller = frames.find((line) => !line.includes(import.meta.url)) ?? ''
  const at = caller.indexOf(root)
  return at !== -1 && !caller.slice(at + root.length).includes('/node_modules/')
}

function globalNames(): string[] {
  return Object.getOwnPropertyNames(globalThis)
}

function listenerCounts(): string[] {
  return process.eventNames().flatMap((name) => Array.from({ length: process.listenerCount(name) }, () => String(name)))
}

/** Entries of `after` that are more often there than in `before`. */
function added(before: readonly string[], after: readonly string[]): string[] {
  const rest = [...before]
  return after.filter((entry) => {
    const index = rest.indexOf(entry)
    if (index >= 0) rest.splice(index, 1)
    return index < 0
  })
}
