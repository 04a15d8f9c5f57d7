// What a module exports and what it takes from others, name by name, types included. Reads text as imports.mjs does. Pure.
import { reduceSource } from './imports.mjs'

/** The bindings of a clause in braces: `{ name, as }`, the name in the module they come from and the one they get. */
function bindings(clause) {
  const inside = /\{([^}]*)\}/.exec(clause)?.[1] ?? ''
  return inside
    .split(',')
    .map((part) => part.trim().replace(/^type\s+(?=\S)/, ''))
    .filter((part) => part !== '')
    .map((part) => {
      const [name, as = name] = part.split(/\s+as\s+/)
      return { name: name.trim(), as: as.trim() }
    })
}

const mentions = (code, name) => code.split(/[^\w$]+/).filter((word) => word === name).length

const statement = /\b(import|export)\b(?:\s+type\b(?!\s+from\b)(?!\s*,))?([\w\s{},*$]*?)\bfrom\s*"(\d+)"/g
const declaration =
  /\bexport\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(function\s*\*?|class|const|let|var|interface|type|enum)\s+([A-Za-z_$][\w$]*)/g
const localList = /\bexport\s+(?:type\s+)?(\{[^}]*\})(?!\s*from\b)/g
const destructured = /\bexport\s+const\s+(\{[^}]*\})\s*=/g
const whole = /\b(?:import|require|resolve)\s*\(\s*"(\d+)"|\bimport\s*"(\d+)"/g

/**
 * A module as names: `declared` are those it exports of its own, name → `{ line, inSignatures }`, the latter for types that something else in the module
 * is written with. `taken` is what it takes, as `{ specifier, name, as?, exported }`: `name` is '*' for a whole module, `exported` says that it is handed
 * on under `as`.
 */
export function moduleNames(text) {
  const { code, strings } = reduceSource(text)
  const lineOf = (offset) => code.slice(0, offset).split('\n').length
  const declared = new Map()
  for (const match of code.matchAll(declaration)) {
    const [, kind, name] = match
    const inSignatures = (kind === 'interface' || kind === 'type') && mentions(code, name) > 1
    declared.set(name, { line: lineOf(match.index), inSignatures })
  }
  for (const pattern of [localList, destructured])
    for (const match of code.matchAll(pattern))
      for (const { as } of bindings(match[1])) declared.set(as, { line: lineOf(match.index), inSignatures: false })
  const taken = []
  for (const match of code.matchAll(statement)) {
    const [, kind, clause, number] = match
    const specifier = strings[Number(number)]
    const exported = kind === 'export'
    for (const { name, as } of bindings(clause)) taken.push({ specifier, name, as, exported })
    if (clause.replace(/\{[^}]*\}/, '').replace(/[\s,]/g, '') !== '') taken.push({ specifier, name: '*', as: '*', exported })
  }
  for (const match of code.matchAll(whole)) taken.push({ specifier: strings[Number(match[1] ?? match[2])], name: '*', exported: false })
  return { declared, taken }
}
