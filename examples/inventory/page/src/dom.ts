type Child = Node | string | undefined

/** Properties of an element that may be set by name; `on…` are listeners, names with a dash attributes. */
type Properties<Tag extends keyof HTMLElementTagNameMap> = {
  readonly [name in keyof HTMLElementTagNameMap[Tag]]?: HTMLElementTagNameMap[Tag][name]
} & { readonly [attribute: `${string}-${string}`]: string | undefined; readonly role?: string }

/** Makes an element. Strings become text, never markup. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties<Tag> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue
    if (name.includes('-') || name === 'role') element.setAttribute(name, String(value))
    else Reflect.set(element, name, value)
  }
  element.append(...children.filter((child) => child !== undefined))
  return element
}

/** Sets a text only when it is another one, so that selections and announcements are left alone. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text
}

/** A part of the page that shows part of the state. */
export interface View<State> {
  readonly element: HTMLElement
  update(state: State): void
}

/** Keeps one child per item, by its key, in the order of the items. Children that stay keep their focus. */
export function keyedChildren<Item>(
  parent: HTMLElement,
  keyOf: (item: Item) => string,
  create: (item: Item) => View<Item>
): (items: readonly Item[]) => void {
  let views = new Map<string, View<Item>>()
  return (items) => {
    const next = new Map<string, View<Item>>()
    for (const item of items) {
      const key = keyOf(item)
      const view = views.get(key) ?? create(item)
      view.update(item)
      next.set(key, view)
    }
    for (const [key, { element }] of views) if (!next.has(key)) element.remove()
    let place: ChildNode | null = parent.firstChild
    for (const { element } of next.values()) {
      if (element === place) place = place.nextSibling
      else parent.insertBefore(element, place)
    }
    views = next
  }
}

let ids = 0
/** A control with its label, and a hint under it. */
export function field(label: string, control: HTMLElement, hint?: string): HTMLElement {
  control.id = control.id || `field-${++ids}`
  return h(
    'div',
    { className: 'field' },
    h('label', { htmlFor: control.id }, label),
    control,
    hint === undefined ? undefined : h('small', {}, hint)
  )
}

export interface Choice<Value extends string> {
  readonly value: Value
  readonly label: string
  readonly hint: string
}

/** Radio buttons with explanations. */
export function choices<Value extends string>(
  legend: string,
  options: readonly Choice<Value>[],
  changed: (value: Value) => void
): { readonly element: HTMLFieldSetElement; value: Value } {
  const name = `choice-${++ids}`
  const inputs = options.map(({ value }) => h('input', { type: 'radio', name, value, onchange: () => changed(value) }))
  const element = h(
    'fieldset',
    { className: 'choices' },
    h('legend', {}, legend),
    ...options.map(({ label, hint }, index) => h('label', {}, inputs[index], h('span', {}, h('b', {}, label), h('small', {}, hint))))
  )
  return {
    element,
    get value() {
      return inputs.find(({ checked }) => checked)?.value as Value
    },
    set value(value) {
      for (const input of inputs) input.checked = input.value === value
    }
  }
}
