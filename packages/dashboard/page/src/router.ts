// What of the page is shown, as the part of its address behind `#`. No DOM.

export type Route =
  | { readonly view: 'overview'; readonly device?: string }
  | { readonly view: 'documents'; readonly collection?: string; readonly document?: string }
  | { readonly view: 'activity' }

/** Reads the part behind `#`; what it does not understand is the overview. */
export function parseRoute(hash: string): Route {
  const [view, first, second] = hash
    .replace(/^#?\/?/, '')
    .split('/')
    .map(decode)
  if (view === 'activity') return { view }
  if (view === 'device' && first !== undefined && first !== '') return { view: 'overview', device: first }
  if (view === 'documents')
    return {
      view,
      ...(first !== undefined && first !== '' && { collection: first }),
      ...(second !== undefined && second !== '' && { document: second })
    }
  return { view: 'overview' }
}

/** The inverse of {@link parseRoute}. */
export function formatRoute(route: Route): string {
  if (route.view === 'activity') return '#/activity'
  if (route.view === 'overview') return route.device === undefined ? '#/' : `#/device/${encode(route.device)}`
  const parts = route.collection === undefined ? [] : [route.collection, ...(route.document === undefined ? [] : [route.document])]
  return `#/${['documents', ...parts.map(encode)].join('/')}`
}

/** Half a surrogate pair, which a device may call itself, has no bytes. */
function encode(part: string): string {
  return encodeURIComponent(part.replaceAll(/\p{Surrogate}/gu, '\ufffd'))
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/**
 * What `after=` has to be for a list that starts at `id` or, where there is none, behind it. Ids are listed in the order of their bytes; the
 * largest text below `id` would be endless, so this is one that comes closely before it.
 */
export function justBefore(id: string): string {
  const characters = [...id]
  const last = characters.pop()
  if (last === undefined) return ''
  const code = last.codePointAt(0) ?? 0
  if (code === 0) return characters.join('')
  // Half a surrogate pair is no character.
  const below = code - 1 >= 0xd800 && code - 1 <= 0xdfff ? 0xd7ff : code - 1
  return `${characters.join('')}${String.fromCodePoint(below)}\u{10ffff}`
}
