// Where the nodes of a graph go: forces between them, by the method of Fruchterman and Reingold (1991), with some gravity. The same graph, built
// up the same way, always gets the same places. No DOM.

export interface LayoutNode {
  readonly id: string
  /** Stays in the middle. */
  readonly fixed?: boolean
}

export interface LayoutEdge {
  readonly from: string
  readonly to: string
  /** How much it pulls, compared with others; 1 by default. */
  readonly strength?: number
}

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Box {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** The length that an edge would like to have. */
const LENGTH = 100
const START_HEAT = 60
/** When something changed, what is already placed should not jump. */
const CHANGE_HEAT = 18
const COLD = 0.4
const COOLING = 0.975
const GRAVITY = 0.08
/** How much nodes without any edge are drawn to the middle, compared with an edge. */
const LONELY = 0.3

/** How far nodes keep away from edges that are not theirs, as long as that is not too many to look at. */
const CLEARANCE = 42
const MAX_CLEARED = 6000

interface Body {
  readonly id: string
  readonly fixed: boolean
  x: number
  y: number
  dx: number
  dy: number
}

export class ForceLayout {
  #bodies: Body[] = []
  #byId = new Map<string, Body>()
  #springs: { readonly a: Body; readonly b: Body; readonly strength: number }[] = []
  #heat = 0
  #centre: Body | undefined
  #lonely: readonly Body[] = []

  /** Whether every node has found its place. */
  get settled(): boolean {
    return this.#heat <= COLD
  }

  /**
   * Takes the graph as it is now. Nodes that were there keep their places; new ones begin beside a neighbour that has one. Edges to nodes that do
   * not exist are left out.
   * @returns whether anything is different.
   */
  update(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): boolean {
    const before = this.#byId
    const neighbours = new Map<string, string[]>()
    for (const { from, to } of edges) {
      neighbours.set(from, [...(neighbours.get(from) ?? []), to])
      neighbours.set(to, [...(neighbours.get(to) ?? []), from])
    }
    const next = new Map<string, Body>()
    const fresh: LayoutNode[] = []
    for (const node of nodes) {
      const known = before.get(node.id)
      if (known === undefined || known.fixed !== (node.fixed ?? false)) fresh.push(node)
      else next.set(node.id, known)
    }
    for (const { id, fixed = false } of fresh) {
      const near = (neighbours.get(id) ?? []).map((other) => next.get(other)).find((other) => other !== undefined)
      const angle = (hash(id) / 2 ** 32) * 2 * Math.PI
      const radius = fixed ? 0 : near === undefined ? LENGTH * (1 + Math.sqrt(nodes.length) / 3) : LENGTH * 0.8
      const origin = fixed ? undefined : near
      next.set(id, {
        id,
        fixed,
        x: (origin?.x ?? 0) + Math.cos(angle) * radius,
        y: (origin?.y ?? 0) + Math.sin(angle) * radius,
        dx: 0,
        dy: 0
      })
    }
    const springs = edges.flatMap(({ from, to, strength = 1 }) => {
      const [a, b] = [next.get(from), next.get(to)]
      return a === undefined || b === undefined || a === b ? [] : [{ a, b, strength }]
    })
    const described = (all: readonly { readonly a: Body; readonly b: Body; readonly strength: number }[]): string =>
      all
        .map(({ a, b, strength }) => `${a.id}\n${b.id}\n${strength}`)
        .sort()
        .join('\n\n')
    const changed = fresh.length > 0 || next.size !== before.size || described(springs) !== described(this.#springs)
    this.#byId = next
    this.#bodies = [...next.values()]
    this.#springs = springs
    this.#centre = this.#bodies.find(({ fixed }) => fixed)
    const tied = new Set(springs.flatMap(({ a, b }) => [a, b]))
    this.#lonely = this.#bodies.filter((body) => !body.fixed && !tied.has(body))
    if (changed) this.#heat = Math.max(this.#heat, before.size === 0 ? START_HEAT : CHANGE_HEAT)
    return changed
  }

  /** Lets the forces act once. */
  step(): void {
    if (this.settled) return
    const bodies = this.#bodies
    for (const body of bodies) {
      body.dx = -body.x * GRAVITY
      body.dy = -body.y * GRAVITY
    }
    for (let i = 0; i < bodies.length; i++) {
      const a = bodies[i] as Body
      for (let j = i + 1; j < bodies.length; j++) repel(a, bodies[j] as Body)
    }
    for (const { a, b, strength } of this.#springs) attract(a, b, strength)
    if (bodies.length * this.#springs.length <= MAX_CLEARED)
      for (const { a, b } of this.#springs) for (const body of bodies) clear(body, a, b)
    if (this.#centre !== undefined) for (const body of this.#lonely) attract(this.#centre, body, LONELY)
    for (const body of bodies) {
      const length = Math.hypot(body.dx, body.dy)
      if (body.fixed || length === 0) continue
      const way = Math.min(length, this.#heat) / length
      body.x += body.dx * way
      body.y += body.dy * way
    }
    this.#heat *= COOLING
  }

  /** Steps until every node has its place, at most `steps`. */
  settle(steps = 400): void {
    for (let step = 0; step < steps && !this.settled; step++) this.step()
  }

  position(id: string): Point | undefined {
    const body = this.#byId.get(id)
    return body === undefined ? undefined : { x: body.x, y: body.y }
  }

  /** What encloses all nodes, with `margin` around them. */
  bounds(margin = 0): Box {
    if (this.#bodies.length === 0) return { x: -margin, y: -margin, width: 2 * margin, height: 2 * margin }
    let [left, top, right, bottom] = [
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NEGATIVE_INFINITY
    ]
    for (const { x, y } of this.#bodies) {
      left = Math.min(left, x)
      right = Math.max(right, x)
      top = Math.min(top, y)
      bottom = Math.max(bottom, y)
    }
    return { x: left - margin, y: top - margin, width: right - left + 2 * margin, height: bottom - top + 2 * margin }
  }
}

function repel(a: Body, b: Body): void {
  let x = a.x - b.x
  let y = a.y - b.y
  let square = x * x + y * y
  if (square < 1) {
    // On the same spot there is no direction; their ids give one.
    const angle = (hash(`${a.id} ${b.id}`) / 2 ** 32) * 2 * Math.PI
    x = Math.cos(angle)
    y = Math.sin(angle)
    square = 1
  }
  // Falls with the square of the distance: with the distance alone, as in the paper, what is at the rim is driven far out.
  const force = LENGTH ** 3 / (square * Math.sqrt(square))
  a.dx += x * force
  a.dy += y * force
  b.dx -= x * force
  b.dy -= y * force
}

function attract(a: Body, b: Body, strength: number): void {
  const x = a.x - b.x
  const y = a.y - b.y
  const force = (Math.hypot(x, y) / LENGTH) * strength
  a.dx -= x * force
  a.dy -= y * force
  b.dx += x * force
  b.dy += y * force
}

/** Moves a body off the line between two others: what lies on it would seem to be linked. */
function clear(body: Body, a: Body, b: Body): void {
  if (body === a || body === b) return
  const [x, y] = [b.x - a.x, b.y - a.y]
  const square = x * x + y * y
  if (square < 1) return
  const along = ((body.x - a.x) * x + (body.y - a.y) * y) / square
  if (along <= 0.05 || along >= 0.95) return
  const across = ((body.x - a.x) * y - (body.y - a.y) * x) / Math.sqrt(square)
  const missing = CLEARANCE - Math.abs(across)
  if (missing <= 0) return
  const push = (missing * (across < 0 ? -1 : 1) * 1.5) / Math.sqrt(square)
  body.dx += y * push
  body.dy -= x * push
  for (const end of [a, b]) {
    end.dx -= (y * push) / 2
    end.dy += (x * push) / 2
  }
}

/** FNV-1a of 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    value ^= text.charCodeAt(index)
    value = Math.imul(value, 0x01000193)
  }
  // Short texts differ in the low bits only; the angle is made of the high ones.
  value ^= value >>> 15
  value = Math.imul(value, 0x2c1b3c6d)
  value ^= value >>> 12
  return value >>> 0
}

/** A place on the screen is `place.x * scaleX + x`, and the same for y. */
export interface Projection {
  readonly scaleX: number
  readonly scaleY: number
  readonly x: number
  readonly y: number
}

/** A graph may be stretched so much, to fill a space that is wider or higher than it. */
const STRETCH = 2.3

/** How to show a box in the middle of a space of `width` × `height`, not larger than `maxScale`. */
export function project(box: Box, width: number, height: number, maxScale: number): Projection {
  const wide = Math.min(maxScale, width / Math.max(box.width, 1))
  const high = Math.min(maxScale, height / Math.max(box.height, 1))
  const scaleX = Math.min(wide, high * STRETCH)
  const scaleY = Math.min(high, wide * STRETCH)
  return { scaleX, scaleY, x: width / 2 - (box.x + box.width / 2) * scaleX, y: height / 2 - (box.y + box.height / 2) * scaleY }
}
