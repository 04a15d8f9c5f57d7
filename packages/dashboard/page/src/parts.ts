// Small pieces that several views are made of.
import type { Problem } from '@kithmesh/dashboard/contracts'
import { type Child, el, setAttributes, svg } from './dom.ts'
import { printable } from './format.ts'
import { lookOf, meaningOf, qualityLabel } from './palette.ts'
import { sparkline } from './rates.ts'

let headings = 0

/** A framed part of the page with a heading; `extra` stands beside that. */
export function card(
  title: string,
  { className = '', extra }: { readonly className?: string; readonly extra?: Child } = {},
  ...children: Child[]
): HTMLElement {
  const id = `h-${++headings}`
  return el(
    'section',
    { class: `card ${className}`.trim(), 'aria-labelledby': id },
    el('header', { class: 'card-head' }, el('h2', { id }, title), extra),
    ...children
  )
}

/** A state as a coloured word. */
export function stateBadge(state: string): HTMLElement {
  const meaning = meaningOf(state)
  return el('span', { class: `badge tone-${meaning.tone}`, title: meaning.explanation || null }, meaning.label)
}

/** A transport as a coloured word, with the quality where that is not the best. */
export function routeBadge(transport: string | null, quality: 'direct' | 'relayed' | 'last-resort' | null): HTMLElement {
  const look = lookOf(transport)
  const worse = quality === 'relayed' || quality === 'last-resort'
  return el(
    'span',
    { class: `route route-${look.colour}`, title: look.explanation || null },
    `${printable(look.label, 24)}${worse ? `, ${qualityLabel(quality)}` : ''}`
  )
}

/** What went wrong: message, what to do about it, and the code that docs/errors.md explains. */
export function problemBlock({ code, message, hint }: Problem): HTMLElement {
  return el(
    'div',
    { class: 'problem' },
    el('p', { class: 'problem-message' }, printable(message, 600)),
    hint !== null && hint !== '' && el('p', { class: 'hint' }, printable(hint, 600)),
    code !== null && el('p', { class: 'soft' }, el('code', {}, printable(code, 60)))
  )
}

/** Terms with what they are; entries without a value are left out. */
export function facts(entries: readonly (readonly [string, Child])[]): HTMLElement {
  const list = el('dl', { class: 'facts' })
  for (const [term, value] of entries) {
    if (value === null || value === undefined || value === '') continue
    list.append(el('dt', {}, term), el('dd', {}, value))
  }
  return list
}

/** Two lines of the last minute, what came in and what went out, for a glance; the numbers stand beside it. */
export class Sparkline {
  readonly root: SVGElement
  readonly #in = svg('polyline', { class: 'spark-in' })
  readonly #out = svg('polyline', { class: 'spark-out' })
  readonly #width = 160
  readonly #height = 34

  constructor() {
    this.root = svg(
      'svg',
      { class: 'spark', viewBox: `0 -2 ${this.#width} ${this.#height + 4}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      svg('line', { class: 'spark-base', x1: 0, x2: this.#width, y1: this.#height, y2: this.#height }),
      this.#in,
      this.#out
    )
  }

  show(incoming: readonly number[], outgoing: readonly number[]): void {
    const top = Math.max(1, ...incoming, ...outgoing)
    setAttributes(this.#in, { points: sparkline(incoming, this.#width, this.#height, top) })
    setAttributes(this.#out, { points: sparkline(outgoing, this.#width, this.#height, top) })
  }
}

/** What a list says when there is nothing in it. */
export function nothing(text: string): HTMLElement {
  return el('p', { class: 'nothing' }, text)
}
