// Making and changing elements. What comes from the network becomes text nodes and attributes, never markup.

export type Child = Node | string | number | null | undefined | false

export type Attributes = Readonly<Record<string, string | number | boolean | null | undefined>>

/** A new HTML element. `true` sets an empty attribute; false, null and undefined set none. */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

/** A new SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  setAttributes(element, attributes)
  append(element, children)
  return element
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue
    parent.append(typeof child === 'number' ? String(child) : child)
  }
}

/** Sets those that are different; false, null and undefined remove. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) {
      if (element.hasAttribute(name)) element.removeAttribute(name)
    } else {
      const text = value === true ? '' : String(value)
      if (element.getAttribute(name) !== text) element.setAttribute(name, text)
    }
  }
}

/** Changes a text only where it is different, so that selections and screen readers are left in peace. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** The element of the page with this id. */
export function byId(id: string): HTMLElement {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`The page has no #${id}`)
  return element
}

/** An element that shows an item and can be brought up to date. */
export interface Row<T> {
  readonly root: Element
  update(item: T): void
}

/** Children that stand for items: they are made, moved, updated and removed so that what stays keeps its focus. */
export class KeyedList<T> {
  readonly #parent: Element
  readonly #keyOf: (item: T) => string
  readonly #create: (item: T) => Row<T>
  readonly #rows = new Map<string, Row<T>>()

  constructor(parent: Element, keyOf: (item: T) => string, create: (item: T) => Row<T>) {
    this.#parent = parent
    this.#keyOf = keyOf
    this.#create = create
  }

  show(items: readonly T[]): void {
    const wanted = new Set(items.map(this.#keyOf))
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue
      row.root.remove()
      this.#rows.delete(key)
    }
    let next: ChildNode | null = this.#parent.firstChild
    for (const item of items) {
      const key = this.#keyOf(item)
      let row = this.#rows.get(key)
      if (row === undefined) this.#rows.set(key, (row = this.#create(item)))
      row.update(item)
      if (row.root === next) next = next.nextSibling
      else this.#parent.insertBefore(row.root, next)
    }
  }

  get(key: string): Row<T> | undefined {
    return this.#rows.get(key)
  }
}

/** Replaces all children. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren()
  append(parent, children)
}
