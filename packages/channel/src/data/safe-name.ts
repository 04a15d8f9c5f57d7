/** The longest name of a file on common file systems, bytes. */
const MAX_NAME_BYTES = 255 - 64

/** Looking back keeps it linear: only the first character of a run is tried. */
const TRAILING = /(?<![\s.])[\s.]+$/u

const RESERVED = /^(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$)(\..*)?$/i

/**
 * A peer's name for a file as a name that is safe in any directory of any system: never a path, never hidden, no control or formatting
 * characters, nothing that Windows reserves, at most 191 bytes.
 *
 * @example
 * safeName('../../etc/passwd') // 'passwd'
 * safeName('C:\\temp\\nul') // '_nul'
 */
export function safeName(name: string): string {
  const last = name.normalize('NFC').split(/[/\\]/).at(-1) ?? ''
  const plain = last
    // Control characters, invisible ones and those that turn the direction of writing, so that an extension is what it looks like.
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/^[\s.]+/u, '')
  const cut = cutBytes(plain.replace(TRAILING, '')).replace(TRAILING, '')
  if (cut === '') return 'unnamed'
  return RESERVED.test(cut) ? `_${cut}` : cut
}

/** Keeps the extension when it is short. */
function cutBytes(name: string): string {
  if (Buffer.byteLength(name) <= MAX_NAME_BYTES) return name
  const dot = name.lastIndexOf('.')
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : ''
  const room = MAX_NAME_BYTES - Buffer.byteLength(extension)
  return (
    Buffer.from(name)
      .subarray(0, room)
      .toString('utf8')
      .replace(/\uFFFD+$/u, '') + extension
  )
}
