import type { SeededRandom } from './random.ts'

/** Something that happens in a random schedule, so long after what happened before. Peers and documents are numbers. */
export type RandomStep = { readonly afterMs: number } & (
  | { readonly kind: 'write' | 'delete'; readonly peer: number; readonly document: number }
  /** Several peers write the same document at once. */
  | { readonly kind: 'conflict'; readonly peers: readonly number[]; readonly document: number }
  /** The path between two peers is cut, or restored. */
  | { readonly kind: 'cut' | 'join'; readonly peer: number; readonly other: number }
  /** Peers are divided into two parts, or one network again. */
  | { readonly kind: 'divide'; readonly part: readonly number[] }
  | { readonly kind: 'heal' }
  /** Without a word; in good order; back again after either. */
  | { readonly kind: 'vanish' | 'stop' | 'start'; readonly peer: number }
  /** Nobody can dial the peer any more, or everybody can. */
  | { readonly kind: 'shelter' | 'open'; readonly peer: number }
)

/** What a schedule is drawn with: how often each kind of step comes, in proportion. */
export type StepWeights = Readonly<Partial<Record<RandomStep['kind'], number>>>

const usual: Required<StepWeights> = {
  write: 10,
  delete: 2,
  conflict: 4,
  cut: 2,
  join: 2,
  divide: 1,
  heal: 1,
  vanish: 2,
  stop: 1,
  start: 4,
  shelter: 1,
  open: 1
}

/** Draws steps. Pauses are short as a rule, so that much happens at once, and now and then long. */
export function drawSteps(random: SeededRandom, peers: number, documents: number, count: number, weights: StepWeights = {}): RandomStep[] {
  const all = Object.entries({ ...usual, ...weights }) as [RandomStep['kind'], number][]
  const total = all.reduce((sum, [, weight]) => sum + weight, 0)
  const kind = (): RandomStep['kind'] => {
    let at = random.next() * total
    for (const [each, weight] of all) {
      at -= weight
      if (at < 0) return each
    }
    return 'write'
  }
  return Array.from({ length: count }, () => drawStep(kind(), random, peers, documents))
}

function drawStep(kind: RandomStep['kind'], random: SeededRandom, peers: number, documents: number): RandomStep {
  const afterMs = random.chance(0.15) ? random.below(9000) : random.below(300)
  const peer = random.below(peers)
  switch (kind) {
    case 'write':
    case 'delete':
      return { afterMs, kind, peer, document: random.below(documents) }
    case 'conflict': {
      const all = Array.from({ length: peers }, (_, index) => index)
      return { afterMs, kind, peers: random.shuffled(all).slice(0, 2 + random.below(peers - 1)), document: random.below(documents) }
    }
    case 'cut':
    case 'join':
      return { afterMs, kind, peer, other: (peer + 1 + random.below(peers - 1)) % peers }
    case 'divide':
      return { afterMs, kind, part: Array.from({ length: peers }, (_, index) => index).filter(() => random.chance(0.5)) }
    case 'heal':
      return { afterMs, kind }
    default:
      return { afterMs, kind, peer }
  }
}

/** For people. */
export function describeStep(step: RandomStep): string {
  const { afterMs, kind, ...rest } = step
  return `+${afterMs} ms ${kind} ${Object.entries(rest)
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(', ')}`.trim()
}
