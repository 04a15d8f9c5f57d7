// Reads the imports and exports of a TypeScript or JavaScript file without a parser: comments are removed and string literals set aside first,
// so that text inside them is never taken for code. Pure.

const regexMayFollow = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\breturn|\btypeof|\bcase|\bin|\bof)\s*$/

function skipRegex(text, from) {
  let inClass = false
  for (let index = from + 1; index < text.length; index += 1) {
    const char = text[index]
    if (char === '\\') index += 1
    else if (char === '\n') return undefined
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if (char === '/' && !inClass) return index + 1
  }
  return undefined
}

function skipString(text, from) {
  const quote = text[from]
  let index = from + 1
  while (index < text.length && text[index] !== quote) index += text[index] === '\\' ? 2 : 1
  return index + 1
}

/**
 * The code of a file with comments blanked out and each string literal replaced by `"N"`, N being its place in `strings`.
 * Templates keep the code inside `${…}` and lose their text. Line breaks stay where they were.
 */
export function reduceSource(text) {
  const strings = []
  let code = ''
  const templates = []
  let depth = 0
  let index = 0
  const blank = (from, to) => text.slice(from, to).replace(/[^\n]/g, ' ')
  const templateText = (from) => {
    let end = from
    while (end < text.length && text[end] !== '`' && !(text[end] === '$' && text[end + 1] === '{')) end += text[end] === '\\' ? 2 : 1
    code += blank(from, end)
    if (text[end] === '$') {
      templates.push(depth)
      depth += 1
      code += '({'
      return end + 2
    }
    code += '``'
    return end + 1
  }
  while (index < text.length) {
    const char = text[index]
    const two = text.slice(index, index + 2)
    if (two === '//' || (index === 0 && two === '#!')) {
      const end = text.indexOf('\n', index)
      const to = end === -1 ? text.length : end
      code += blank(index, to)
      index = to
    } else if (two === '/*') {
      const end = text.indexOf('*/', index + 2)
      const to = end === -1 ? text.length : end + 2
      code += blank(index, to)
      index = to
    } else if (char === "'" || char === '"') {
      const end = skipString(text, index)
      code += `"${strings.push(text.slice(index + 1, end - 1)) - 1}"`
      index = end
    } else if (char === '`') {
      index = templateText(index + 1)
    } else if (char === '/' && regexMayFollow.test(code.slice(-40)) && skipRegex(text, index) !== undefined) {
      const end = skipRegex(text, index)
      code += blank(index, end)
      index = end
    } else if (char === '}' && templates.length > 0 && templates[templates.length - 1] === depth - 1) {
      templates.pop()
      depth -= 1
      code += '})'
      index = templateText(index + 1)
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      code += char
      index += 1
    }
  }
  return { code, strings }
}

function bindingNames(clause) {
  const braces = /\{([^}]*)\}/.exec(clause)
  const names = (braces?.[1] ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  return names.map((part) => ({
    name: part
      .replace(/^type\s+/, '')
      .split(/\s+as\s+/)[0]
      .trim(),
    typeOnly: /^type\s/.test(part)
  }))
}

/**
 * Every module a file refers to: `{ specifier, typeOnly, names, line, kind }`, kind being 'import', 'export' (re-export), 'dynamic' or 'require'.
 * `names` are the value names taken from it, or undefined when the whole module is (namespace, default or side effect).
 */
export function readImports(text) {
  const { code, strings } = reduceSource(text)
  const lineOf = (offset) => code.slice(0, offset).split('\n').length
  const found = []
  const statement = /\b(import|export)\b(\s+type\b(?!\s+from\b)(?!\s*,))?([\w\s{},*$]*?)\bfrom\s*"(\d+)"/g
  for (const match of code.matchAll(statement)) {
    const clause = match[3]
    const bindings = bindingNames(clause)
    const rest = clause.replace(/\{[^}]*\}/, '').replace(/[\s,]/g, '')
    const values = bindings.filter((binding) => !binding.typeOnly).map((binding) => binding.name)
    const typeOnly = match[2] !== undefined || (rest === '' && bindings.length > 0 && values.length === 0)
    found.push({
      specifier: strings[Number(match[4])],
      typeOnly,
      names: rest === '' ? values : undefined,
      line: lineOf(match.index),
      kind: match[1]
    })
  }
  const patterns = [
    ['import', /\bimport\s*"(\d+)"/g],
    ['dynamic', /\bimport\s*\(\s*"(\d+)"/g],
    ['require', /\b(?:require|resolve)\s*\(\s*"(\d+)"/g],
    ['dynamic', /\bgetBuiltinModule\s*\(\s*"(\d+)"/g]
  ]
  for (const [kind, pattern] of patterns) {
    for (const match of code.matchAll(pattern))
      found.push({ specifier: strings[Number(match[1])], typeOnly: false, names: undefined, line: lineOf(match.index), kind })
  }
  return found
}
