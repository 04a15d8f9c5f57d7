// The document browser: collections, their documents page by page, and the one that was chosen.
import type {
  CollectionSummary,
  DashboardState,
  DocumentDetail,
  DocumentPage,
  DocumentSummary,
  DocumentsNotice
} from '@kithmesh/dashboard/contracts'
import { getJson, query, RequestFailed } from './api.ts'
import { DocumentView } from './document-detail.ts'
import { el, KeyedList, type Row, setAttributes, setText } from './dom.ts'
import { formatBytes, formatCount, plural, printable } from './format.ts'
import { problemBlock } from './parts.ts'
import { formatRoute, justBefore, type Route } from './router.ts'

const PAGE = 50
/** Documents in the list at once; what is beyond is found by its id. */
const MAX_LISTED = 1000
const REFRESH_MS = 1000
/** How often it is asked whether documents have changed: what other programs write makes no event. */
const ASK_MS = 2000

export class DocumentsView {
  readonly root: HTMLElement
  readonly #collections = el('ul', { class: 'collections' })
  readonly #collectionRows: KeyedList<CollectionSummary>
  readonly #rows: KeyedList<DocumentSummary>
  readonly #list: HTMLElement
  readonly #listStatus = el('p', { class: 'soft pad', role: 'status' })
  readonly #more = el('button', { type: 'button', class: 'more' }, 'More')
  readonly #start = el('input', {
    type: 'search',
    id: 'start-at',
    placeholder: 'first characters of an id',
    autocomplete: 'off',
    spellcheck: 'false'
  })
  readonly #document = new DocumentView()
  readonly #pane: HTMLElement
  #route: Route & { readonly view: 'documents' } = { view: 'documents' }
  #visible = false
  #summaries: readonly CollectionSummary[] | undefined
  #asking = false
  #collection: string | undefined
  #documents: DocumentSummary[] = []
  #next: string | null = null
  #listed: { readonly collection: string; readonly sequence: number } | undefined
  #shownDocument = ''
  #listRequest: AbortController | undefined
  #documentRequest: AbortController | undefined
  #refresh: ReturnType<typeof setTimeout> | undefined

  constructor() {
    const items = el('ul', { class: 'documents plain' })
    this.#collectionRows = new KeyedList(
      this.#collections,
      ({ collection }) => collection,
      (summary) => this.#collectionRow(summary)
    )
    this.#rows = new KeyedList(
      items,
      ({ id }) => id,
      (summary) => this.#documentRow(summary)
    )
    this.#list = el(
      'section',
      { class: 'card browser-list', 'aria-label': 'Documents' },
      this.#collections,
      el('p', { class: 'start' }, el('label', { for: 'start-at' }, 'Start at'), this.#start),
      items,
      this.#listStatus,
      this.#more
    )
    this.#pane = el(
      'section',
      { class: 'card browser-document', 'aria-label': 'Document' },
      el('p', { class: 'back' }, el('a', { href: '#/documents' }, '← All documents')),
      this.#document.root
    )
    this.root = el('div', { class: 'browser' }, this.#list, this.#pane)
    this.#more.addEventListener('click', () => void this.#load('more'))
    setInterval(() => void this.#ask(), ASK_MS)
    let typing: ReturnType<typeof setTimeout> | undefined
    this.#start.addEventListener('input', () => {
      clearTimeout(typing)
      typing = setTimeout(() => void this.#load('anew'), 250)
    })
  }

  /** Shows what the address names; `undefined` while another view is shown. */
  go(route: Route | undefined): void {
    this.#visible = route?.view === 'documents'
    if (route?.view !== 'documents') return
    this.#route = route
    this.root.classList.toggle('has-document', route.document !== undefined)
    this.#choose()
  }

  take(state: DashboardState): void {
    this.#takeCollections(state.collections)
  }

  #takeCollections(collections: readonly CollectionSummary[]): void {
    this.#summaries = collections
    if (!this.#visible) return
    this.#choose()
    const now = collections.find(({ collection }) => collection === this.#collection)
    if (now !== undefined && this.#listed?.collection === now.collection && this.#listed.sequence !== now.lastSequence) this.#refreshSoon()
  }

  async #ask(): Promise<void> {
    if (!this.#visible || this.#asking || document.visibilityState !== 'visible' || this.#summaries === undefined) return
    this.#asking = true
    try {
      this.#takeCollections(await getJson<readonly CollectionSummary[]>('/api/collections'))
    } catch (error) {
      // That the program does not answer is told at the top of the page.
      if (!(error instanceof RequestFailed)) throw error
    } finally {
      this.#asking = false
    }
  }

  /** A document that is shown may have been among those that moved. */
  moved({ documents }: DocumentsNotice): void {
    const { document } = this.#route
    if (this.#visible && documents.some(({ collection, id }) => collection === this.#collection && id === document)) this.#refreshSoon()
  }

  #refreshSoon(): void {
    this.#refresh ??= setTimeout(() => {
      this.#refresh = undefined
      if (!this.#visible) return
      void this.#load('again')
      void this.#loadDocument()
    }, REFRESH_MS)
  }

  #choose(): void {
    const collections = this.#summaries ?? []
    const wanted = this.#route.collection ?? this.#collection
    // The largest is what people most likely look for.
    const largest = collections.reduce<CollectionSummary | undefined>(
      (best, each) => (best === undefined || each.documents > best.documents ? each : best),
      undefined
    )
    const collection = wanted ?? largest?.collection
    this.#collectionRows.show(collections)
    if (collection !== this.#collection) {
      this.#collection = collection
      this.#start.value = ''
      this.#documents = []
      this.#next = null
      this.#rows.show([])
      this.#collectionRows.show(collections)
      if (collection !== undefined) void this.#load('anew')
    }
    if (collection === undefined)
      setText(this.#listStatus, this.#summaries === undefined ? 'Loading …' : 'This database has no collections.')
    const key = JSON.stringify([collection, this.#route.document])
    if (key === this.#shownDocument) return
    this.#shownDocument = key
    this.#rows.show(this.#documents)
    void this.#loadDocument({ anew: true })
  }

  /** Gets documents of the list: its beginning, what follows, or what is shown once more. */
  async #load(what: 'anew' | 'more' | 'again'): Promise<void> {
    const collection = this.#collection
    if (collection === undefined) return
    this.#listRequest?.abort()
    const request = new AbortController()
    this.#listRequest = request
    const sequence = this.#summaries?.find((one) => one.collection === collection)?.lastSequence ?? 0
    const first = this.#start.value === '' ? undefined : justBefore(this.#start.value)
    if (what === 'anew') setText(this.#listStatus, 'Loading …')
    try {
      const wanted = what === 'again' ? Math.max(PAGE, this.#documents.length) : PAGE
      const found: DocumentSummary[] = []
      let after = what === 'more' ? (this.#next ?? undefined) : first
      let next: string | null = null
      do {
        const page = await getJson<DocumentPage>(
          query('/api/documents', { collection, after, limit: Math.min(200, wanted - found.length) }),
          {
            signal: request.signal
          }
        )
        found.push(...page.documents)
        next = page.next
        after = next ?? undefined
      } while (next !== null && found.length < wanted)
      this.#documents = what === 'more' ? [...this.#documents, ...found] : found
      this.#next = next
      this.#listed = { collection, sequence }
      this.#rows.show(this.#documents)
      this.#more.hidden = next === null || this.#documents.length >= MAX_LISTED
      const full = next !== null && this.#documents.length >= MAX_LISTED
      setText(
        this.#listStatus,
        this.#documents.length === 0
          ? first === undefined
            ? 'There are no documents yet.'
            : 'No document from there on.'
          : `${plural(this.#documents.length, 'document')} shown${full ? '; for others, say where to start' : ''}`
      )
    } catch (error) {
      if (request.signal.aborted) return
      if (!(error instanceof RequestFailed)) throw error
      setText(this.#listStatus, error.problem.message)
      this.#more.hidden = true
    }
  }

  async #loadDocument({ anew = false } = {}): Promise<void> {
    this.#documentRequest?.abort()
    const { document: id } = this.#route
    const collection = this.#collection
    if (id === undefined || collection === undefined) {
      this.#document.clear(el('p', { class: 'nothing' }, 'Choose a document to see its body and its blobs.'))
      return
    }
    const request = new AbortController()
    this.#documentRequest = request
    if (anew) this.#document.clear(el('p', { class: 'soft' }, 'Loading …'))
    try {
      this.#document.show(await getJson<DocumentDetail>(query('/api/document', { collection, id }), { signal: request.signal }))
    } catch (error) {
      if (request.signal.aborted) return
      if (!(error instanceof RequestFailed)) throw error
      this.#document.clear(problemBlock(error.problem))
    }
  }

  #collectionRow(first: CollectionSummary): Row<CollectionSummary> {
    const name = el('span', {}, printable(first.collection, 80))
    const count = el('span', { class: 'count' })
    const link = el('a', { href: formatRoute({ view: 'documents', collection: first.collection }) }, name, ' ', count)
    return {
      root: el('li', {}, link),
      update: ({ collection, documents }) => {
        setText(count, formatCount(documents))
        setAttributes(link, { 'aria-current': collection === this.#collection ? 'true' : null })
      }
    }
  }

  #documentRow(first: DocumentSummary): Row<DocumentSummary> {
    const id = el('span', { class: 'document-row-id' }, printable(first.id, 120))
    const about = el('span', { class: 'soft' })
    const preview = el('span', { class: 'preview soft' })
    const mark = el('span', { class: 'badge tone-warn', hidden: true }, 'conflict')
    const link = el(
      'a',
      { href: formatRoute({ view: 'documents', collection: this.#collection ?? '', document: first.id }) },
      id,
      ' ',
      mark,
      about,
      preview
    )
    let revision = first.revision
    return {
      root: el('li', {}, link),
      update: (summary) => {
        setText(about, formatBytes(summary.size))
        setText(preview, printable(summary.preview, 90))
        mark.hidden = !summary.conflicted
        setAttributes(link, { 'aria-current': summary.id === this.#route.document ? 'true' : null })
        if (summary.revision !== revision && !matchMedia('(prefers-reduced-motion: reduce)').matches)
          link.animate([{ backgroundColor: 'var(--flash)' }, {}], { duration: 1200 })
        revision = summary.revision
      }
    }
  }
}
