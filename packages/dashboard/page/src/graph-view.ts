// The mesh as a drawing: devices, the links between them, and what moves along these. One file because all three are redrawn from one layout, at one time.
import type { DocumentsNotice } from '@kithmesh/dashboard/contracts'
import { el, KeyedList, type Row, setAttributes, setText, svg } from './dom.ts'
import { formatRate, formatBytes, initialOf, printable } from './format.ts'
import { type GraphEdge, type GraphModel, type GraphNode, nodeTowards } from './graph-model.ts'
import { ForceLayout, type Point, project } from './layout.ts'
import { lookOf, meaningOf, qualityLabel } from './palette.ts'
import type { RateHistory } from './rates.ts'

export interface GraphViewOptions {
  onSelect(id: string): void
  historyOf(id: string): RateHistory | undefined
}

const MAX_PULSES = 40
const SIDE = 70
const BELOW = 46
const ABOVE = 34
const MAX_SCALE = 1.7
/** From so many nodes on they are drawn small, and only some with their names. */
const MANY = 45
/** Linked devices whose names are shown nevertheless. */
const NAMED = 14
/** Where a line is shorter, there is no room for what it is called. */
const LABELLED_PX = 125
const NARROW_PX = 520

export class GraphView {
  readonly root: HTMLElement
  readonly #options: GraphViewOptions
  readonly #layout = new ForceLayout()
  readonly #svg = svg('svg', { class: 'graph', role: 'group' })
  readonly #pulses = svg('g', { class: 'pulses', 'aria-hidden': 'true' })
  readonly #tip = el('div', { class: 'tip', hidden: true, 'aria-hidden': 'true' })
  readonly #edges: KeyedList<GraphEdge>
  readonly #nodes: KeyedList<GraphNode>
  readonly #calm = matchMedia('(prefers-reduced-motion: reduce)')
  #model: GraphModel = { nodes: [], edges: [] }
  #places = new Map<string, Point>()
  #width = 0
  #height = 0
  #selected: string | undefined
  /** The node that the tab key goes to. */
  #stop: string | undefined
  #tipFor: string | undefined
  #frame: number | undefined
  #flying = 0
  #links = 0

  constructor(options: GraphViewOptions) {
    this.#options = options
    const edges = svg('g', { class: 'edges', 'aria-hidden': 'true' })
    const nodes = svg('g', { class: 'nodes' })
    this.#svg.append(edges, this.#pulses, nodes)
    this.root = el('div', { class: 'graph-space' }, this.#svg, this.#tip)
    this.#edges = new KeyedList(
      edges,
      (edge) => edge.key,
      (edge) => this.#edgeRow(edge)
    )
    this.#nodes = new KeyedList(
      nodes,
      (node) => node.id,
      (node) => this.#nodeRow(node)
    )
    new ResizeObserver(() => {
      this.#width = this.root.clientWidth
      this.#height = this.root.clientHeight
      this.#svg.setAttribute('viewBox', `0 0 ${Math.max(1, this.#width)} ${Math.max(1, this.#height)}`)
      this.#arrange()
    }).observe(this.root)
    this.#svg.addEventListener('keydown', (event) => this.#onKey(event))
  }

  show(model: GraphModel, selected: string | undefined): void {
    this.#model = model
    this.#selected = selected
    if (!model.nodes.some(({ id }) => id === this.#stop)) this.#stop = model.nodes[0]?.id
    this.#svg.setAttribute('aria-label', `The mesh: this device and ${model.nodes.length - 1} others. Arrow keys go from one to the next.`)
    this.#links = model.edges.filter(({ kind }) => kind === 'link').length
    this.#svg.classList.toggle('many', model.nodes.length > MANY)
    this.#edges.show(model.edges)
    this.#nodes.show(model.nodes)
    this.#arrange()
    if (this.#tipFor !== undefined) this.#showTip(this.#tipFor)
  }

  /** Lets documents fly along a link. */
  fly(notice: DocumentsNotice): void {
    const self = this.#model.nodes[0]
    const edge = this.#model.edges.find(({ kind, device }) => kind === 'link' && device?.id === notice.deviceId)
    if (self === undefined || edge === undefined || document.visibilityState !== 'visible') return
    for (const [count, from, to] of [
      [notice.in, notice.deviceId, self.id],
      [notice.out, self.id, notice.deviceId]
    ] as const) {
      const dots = count === 0 ? 0 : Math.min(4, 1 + Math.floor(Math.log10(count) * 1.5))
      for (let dot = 0; dot < dots; dot++) this.#pulse(from, to, lookOf(edge.device?.transport ?? null).colour, dot * 110)
    }
  }

  #pulse(from: string, to: string, colour: number, delay: number): void {
    const [a, b] = [this.#places.get(from), this.#places.get(to)]
    if (a === undefined || b === undefined || this.#flying >= MAX_PULSES || this.#calm.matches) return
    const dot = svg('circle', { r: 4, class: `pulse route-${colour}` })
    this.#flying++
    this.#pulses.append(dot)
    const at = ({ x, y }: Point): string => `translate(${x}px, ${y}px)`
    const animation = dot.animate(
      [
        { transform: at(a), opacity: 0 },
        { opacity: 1, offset: 0.15 },
        { opacity: 1, offset: 0.85 },
        { transform: at(b), opacity: 0 }
      ],
      { duration: 750, delay, easing: 'ease-in-out', fill: 'both' }
    )
    const end = (): void => {
      dot.remove()
      this.#flying--
    }
    animation.finished.then(end, end)
  }

  /** Brings the layout up to date and lets it find its rest, a little in each frame. */
  #arrange(): void {
    if (this.#width === 0 || this.#height === 0) return
    const { nodes, edges } = this.#model
    this.#layout.update(
      nodes.map(({ id, kind }) => ({ id, fixed: kind === 'self' })),
      edges.map(({ from, to, kind }) => ({ from, to, strength: kind === 'far' ? 0.3 : 0.7 }))
    )
    // Nobody wants to see the first draft; and where motion is not wanted, no later one.
    if (this.#places.size === 0 || this.#calm.matches) this.#layout.settle()
    this.#place()
    if (!this.#layout.settled && this.#frame === undefined) this.#frame = requestAnimationFrame(() => this.#onFrame())
  }

  #onFrame(): void {
    this.#frame = undefined
    this.#layout.step()
    if (this.#model.nodes.length < 150) this.#layout.step()
    this.#place()
    if (!this.#layout.settled) this.#frame = requestAnimationFrame(() => this.#onFrame())
  }

  #place(): void {
    const side = Math.min(SIDE, this.#width / 6)
    const inner = { width: Math.max(40, this.#width - 2 * side), height: Math.max(40, this.#height - ABOVE - BELOW) }
    const { scaleX, scaleY, x, y } = project(this.#layout.bounds(), inner.width, inner.height, MAX_SCALE)
    this.#places = new Map(
      this.#model.nodes.map(({ id }) => {
        const at = this.#layout.position(id) ?? { x: 0, y: 0 }
        return [id, { x: Math.round((at.x * scaleX + x + side) * 10) / 10, y: Math.round((at.y * scaleY + y + ABOVE) * 10) / 10 }]
      })
    )
    for (const { id } of this.#model.nodes) {
      const at = this.#places.get(id) as Point
      this.#nodes.get(id)?.root.setAttribute('transform', `translate(${at.x} ${at.y})`)
    }
    for (const { key, from, to } of this.#model.edges) {
      const [a, b, row] = [this.#places.get(from), this.#places.get(to), this.#edges.get(key)]
      if (a === undefined || b === undefined || row === undefined) continue
      const [hit, line, label] = row.root.children
      for (const each of [hit, line]) if (each !== undefined) setAttributes(each, { x1: a.x, y1: a.y, x2: b.x, y2: b.y })
      if (label === undefined) continue
      // A little towards the other device, where more room is than at this one.
      setAttributes(label, {
        x: a.x + (b.x - a.x) * 0.58,
        y: a.y + (b.y - a.y) * 0.58 - 6,
        visibility: Math.hypot(a.x - b.x, a.y - b.y) < LABELLED_PX ? 'hidden' : null
      })
    }
    this.#moveTip()
  }

  #edgeRow(first: GraphEdge): Row<GraphEdge> {
    const hit = svg('line', { class: 'hit' })
    const line = svg('line', { class: 'line' })
    const label = svg('text', { class: 'edge-label' })
    const root = svg('g', {}, hit, line, label)
    let edge = first
    root.addEventListener('pointerenter', () => {
      if (edge.device !== undefined) this.#showTip(edge.device.id)
    })
    root.addEventListener('pointerleave', () => this.#hideTip())
    root.addEventListener('click', () => {
      if (edge.device !== undefined) this.#options.onSelect(edge.device.id)
    })
    return {
      root,
      update: (next) => {
        edge = next
        const { kind, device } = edge
        const look = lookOf(device?.transport ?? null)
        const classes = ['edge', kind]
        if (kind === 'link') classes.push(`route-${look.colour}`, `quality-${device?.quality ?? 'direct'}`)
        if (device?.state === 'restricted') classes.push('restricted')
        if (device?.id === this.#selected && device !== undefined) classes.push('selected')
        setAttributes(root, { class: classes.join(' ') })
        const history = device === undefined ? undefined : this.#options.historyOf(device.id)
        const now = Date.now()
        const bytes = history === undefined ? 0 : history.rate(now, 'bytesIn') + history.rate(now, 'bytesOut')
        line.style.strokeWidth = kind === 'link' ? `${(2.2 + Math.min(4, Math.log10(1 + bytes / 50))).toFixed(1)}px` : ''
        const relayed = device?.quality === 'relayed' || device?.quality === 'last-resort'
        setText(
          label,
          kind === 'link' && this.#model.nodes.length <= MANY
            ? `${look.label}${relayed ? `, ${qualityLabel(device?.quality ?? null)}` : ''}`
            : ''
        )
      }
    }
  }

  #nodeRow(first: GraphNode): Row<GraphNode> {
    const disc = svg('circle', { class: 'disc' })
    const ring = svg('circle', { class: 'ring' })
    const letter = svg('text', { class: 'letter', dy: '0.36em', 'aria-hidden': 'true' })
    const name = svg('text', { class: 'name', 'aria-hidden': 'true' })
    const badge = svg('g', { class: 'badge', 'aria-hidden': 'true' }, svg('circle', { r: 7 }), svg('text', { dy: '0.36em' }, '!'))
    // The button has a name of its own, which begins with the text beside it.
    const button = svg('g', { class: 'button', role: 'button' }, ring, disc)
    const root = svg('g', {}, button, letter, name, badge)
    let node = first
    root.addEventListener('click', () => {
      this.#options.onSelect(node.id)
    })
    root.addEventListener('pointerenter', () => this.#showTip(node.id))
    root.addEventListener('pointerleave', () => this.#hideTip())
    button.addEventListener('focus', () => {
      this.#stop = node.id
      this.#showTip(node.id)
    })
    button.addEventListener('blur', () => this.#hideTip())
    return {
      root,
      update: (next) => {
        node = next
        const { kind, device } = node
        const meaning = device === undefined ? undefined : meaningOf(device.state)
        const many = this.#model.nodes.length > MANY
        const narrow = this.#width < NARROW_PX
        const radius = kind === 'self' ? (many ? 16 : narrow ? 20 : 24) : many ? 8 : narrow ? 15 : 18
        setAttributes(disc, { r: radius })
        setAttributes(ring, { r: radius + 4 })
        setAttributes(name, { y: radius + (many ? 13 : 18) })
        setAttributes(badge, { transform: `translate(${radius * 0.72} ${-radius * 0.72})` })
        setText(letter, many && kind !== 'self' ? '' : initialOf(node.name))
        const named = !many || kind === 'self' || node.id === this.#selected || (kind === 'linked' && this.#links <= NAMED)
        setText(name, named ? printable(node.name, 17) : '')
        const trouble = device !== undefined && (device.error !== null || meaning?.tone === 'bad')
        badge.style.display = trouble ? '' : 'none'
        setAttributes(root, {
          class: [
            'node',
            kind,
            `tone-${meaning?.tone ?? 'quiet'}`,
            node.reached ? 'reached' : 'apart',
            node.id === this.#selected ? 'selected' : ''
          ]
            .join(' ')
            .trim()
        })
        setAttributes(button, {
          tabindex: node.id === this.#stop ? 0 : -1,
          'aria-pressed': String(node.id === this.#selected),
          'aria-label': describeNode(node)
        })
      }
    }
  }

  #onKey(event: KeyboardEvent): void {
    const target = this.#stop
    const direction = { ArrowUp: 'up', ArrowDown: 'down', ArrowLeft: 'left', ArrowRight: 'right' }[event.key] as
      | 'up'
      | 'down'
      | 'left'
      | 'right'
      | undefined
    if (target === undefined) return
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault()
      this.#options.onSelect(target)
      return
    }
    const from = this.#places.get(target)
    if (direction === undefined || from === undefined) return
    event.preventDefault()
    const others = [...this.#places].filter(([id]) => id !== target).map(([id, place]) => ({ id, ...place }))
    const next = nodeTowards(from, direction, others)
    if (next === undefined) return
    const button = (id: string): SVGElement | null | undefined => this.#nodes.get(id)?.root.querySelector<SVGElement>('.button')
    button(target)?.setAttribute('tabindex', '-1')
    button(next)?.setAttribute('tabindex', '0')
    button(next)?.focus()
  }

  #showTip(id: string): void {
    const node = this.#model.nodes.find((one) => one.id === id)
    if (node === undefined) {
      this.#hideTip()
      return
    }
    this.#tipFor = id
    const { device } = node
    const history = this.#options.historyOf(id)
    const now = Date.now()
    this.#tip.replaceChildren(el('strong', {}, node.name))
    for (const line of describeLines(node)) this.#tip.append(el('span', {}, line))
    if (device?.error) this.#tip.append(el('span', { class: 'tone-bad' }, device.error.code ?? printable(device.error.message, 60)))
    if (node.kind === 'linked' && history !== undefined)
      this.#tip.append(
        el(
          'span',
          { class: 'soft' },
          `↓ ${formatRate(history.rate(now, 'documentsIn'))} docs/s, ${formatBytes(history.rate(now, 'bytesIn'))}/s   ↑ ${formatRate(history.rate(now, 'documentsOut'))} docs/s, ${formatBytes(history.rate(now, 'bytesOut'))}/s`
        )
      )
    this.#tip.hidden = false
    this.#moveTip()
  }

  #moveTip(): void {
    const at = this.#tipFor === undefined ? undefined : this.#places.get(this.#tipFor)
    if (at === undefined || this.#tip.hidden) return
    const width = this.#tip.offsetWidth
    const height = this.#tip.offsetHeight
    const left = Math.min(Math.max(4, at.x - width / 2), Math.max(4, this.#width - width - 4))
    const top = at.y - height - 34 < 4 ? at.y + 46 : at.y - height - 34
    this.#tip.style.left = `${left}px`
    this.#tip.style.top = `${top}px`
  }

  #hideTip(): void {
    this.#tipFor = undefined
    this.#tip.hidden = true
  }
}

function describeLines({ kind, device, reached }: GraphNode): string[] {
  if (kind === 'self') return ['This device']
  if (device === undefined) return [reached ? 'Known from others, reached through them' : 'Known from others, not reached']
  const meaning = meaningOf(device.state)
  const lines = [meaning.label]
  if (device.route !== null) lines.push(`${printable(device.route, 60)}${device.direction === null ? '' : `, ${device.direction}`}`)
  return lines
}

/** A device in words, for screen readers. */
function describeNode(node: GraphNode): string {
  const { device } = node
  const lines = [node.name, ...describeLines(node)]
  if (device?.quality && device.quality !== 'direct') lines.push(qualityLabel(device.quality))
  if (device?.error) lines.push(printable(device.error.message, 120))
  return lines.join(', ')
}
