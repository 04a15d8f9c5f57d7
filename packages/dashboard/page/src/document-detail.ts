// One document: its body, its pictures and other blobs, and both sides of a conflict.
import type { BlobSummary, ConflictSide, DocumentDetail } from '@kithmesh/dashboard/contracts'
import { el, fill } from './dom.ts'
import { formatBytes, printable } from './format.ts'
import { differingKeys, type JsonLayout, layOutJson } from './json-lines.ts'
import { facts, nothing } from './parts.ts'

/** Shows a document; the caller asks for it. */
export class DocumentView {
  readonly root = el('article', { class: 'document', 'aria-live': 'off' })
  #revision = ''

  /** What a document was replaced by is marked for a moment. */
  show(document: DocumentDetail): void {
    const key = `${document.collection}\n${document.id}`
    const changed = this.#revision.startsWith(`${key}\n`) && this.#revision !== `${key}\n${document.revision}`
    this.#revision = `${key}\n${document.revision}`
    const pictures = document.blobs.filter(({ picture, present }) => picture && present)
    const others = document.blobs.filter((blob) => !pictures.includes(blob))
    fill(
      this.root,
      el('h2', { class: 'document-id' }, printable(document.id, 300)),
      document.deleted && el('p', { class: 'badge tone-warn' }, 'deleted'),
      facts([
        ['Collection', printable(document.collection, 200)],
        ['Revision', el('code', { class: 'id' }, printable(document.revision, 200))],
        ['Size', formatBytes(document.size)]
      ]),
      pictures.length > 0 && el('div', { class: 'pictures' }, ...pictures.map(pictureOf)),
      document.conflict === null ? null : conflictTable(document.conflict.local, document.conflict.remote),
      document.tooLarge
        ? nothing('The body is larger than 1 MiB and is not shown.')
        : document.deleted && document.body === null
          ? null
          : jsonBlock(layOutJson(document.body), 'Body'),
      others.length > 0 && el('h3', {}, 'Blobs'),
      others.length > 0 && el('ul', { class: 'plain' }, ...others.map(blobItem))
    )
    if (changed && !matchMedia('(prefers-reduced-motion: reduce)').matches)
      this.root.animate([{ backgroundColor: 'var(--flash)' }, { backgroundColor: 'transparent' }], { duration: 1200 })
  }

  clear(...children: (Node | null)[]): void {
    this.#revision = ''
    fill(this.root, ...children)
  }
}

/** The address of a blob, where it is one of this program. */
function ownUrl(url: string): string | null {
  return url.startsWith('/api/blob?') ? url : null
}

function pictureOf(blob: BlobSummary): HTMLElement {
  const caption = `${printable(blob.path, 80)}${blob.length === null ? '' : `, ${formatBytes(blob.length)}`}`
  const url = ownUrl(blob.url)
  const image = el('img', { src: url, alt: `Picture: ${caption}`, loading: 'lazy' })
  const link = el('a', { href: url, target: '_blank', rel: 'noopener' }, image)
  image.addEventListener('error', () => {
    fill(link, el('span', { class: 'nothing' }, 'Not a picture that can be shown'))
  })
  return el('figure', {}, link, el('figcaption', { class: 'soft' }, caption))
}

function blobItem(blob: BlobSummary): HTMLElement {
  const about = [blob.contentType === null ? null : printable(blob.contentType, 60), blob.length === null ? null : formatBytes(blob.length)]
    .filter((text) => text !== null)
    .join(', ')
  const name = printable(blob.path, 120)
  const url = ownUrl(blob.url)
  return el(
    'li',
    {},
    blob.present && url !== null ? el('a', { href: url, download: true }, name) : el('span', {}, name),
    el('span', { class: 'soft' }, ` ${about}${blob.present ? '' : ', not here yet'}`)
  )
}

function conflictTable(local: ConflictSide, remote: ConflictSide): HTMLElement {
  const differing = differingKeys(local.body, remote.body)
  const side = (title: string, { revision, deleted, body }: ConflictSide): HTMLElement =>
    el(
      'div',
      {},
      el('h3', {}, title),
      el('p', { class: 'soft' }, el('code', { class: 'id' }, printable(revision, 200))),
      deleted ? nothing('Deleted') : body === null ? nothing('Larger than 1 MiB') : jsonBlock(layOutJson(body), title, differing)
    )
  return el(
    'section',
    { class: 'conflict' },
    el(
      'p',
      {},
      el('span', { class: 'badge tone-warn' }, 'In conflict'),
      ' Both were changed, and nobody has decided yet. Members that differ are marked.'
    ),
    el('div', { class: 'sides' }, side('Here', local), side('Rival', remote))
  )
}

/** JSON, with the members of its top level that are in `marked` highlighted. */
function jsonBlock({ lines, cut }: JsonLayout, title: string, marked: ReadonlySet<string> = new Set()): HTMLElement {
  const code = el('code')
  const box = el('pre', { class: 'json', tabindex: 0, role: 'region', 'aria-label': title }, code)
  let inMarked = false
  for (const { depth, tokens } of lines) {
    const [first] = tokens
    if (depth === 1 && first?.kind === 'key') inMarked = marked.size > 0 && marked.has(JSON.parse(first.text) as string)
    if (depth === 0) inMarked = false
    const line = el('span', { class: inMarked ? 'json-line marked' : 'json-line' }, '  '.repeat(depth))
    for (const { kind, text } of tokens) line.append(kind === 'mark' ? text : el('span', { class: `json-${kind}` }, text))
    line.append('\n')
    code.append(line)
  }
  if (!cut) return box
  return el('div', {}, box, el('p', { class: 'soft' }, 'Only the beginning is shown.'))
}
