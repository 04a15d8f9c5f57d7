/** Whole numbers, the smallest first. */
export class InstantHeap {
  readonly #heap: number[] = []

  get first(): number | undefined {
    return this.#heap[0]
  }

  push(value: number): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(value)
    while (at > 0) {
      const parent = (at - 1) >>> 1
      if ((heap[parent] as number) <= value) break
      heap[at] = heap[parent] as number
      at = parent
    }
    heap[at] = value
  }

  pop(): void {
    const heap = this.#heap
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++
      if ((heap[child] as number) >= last) break
      heap[at] = heap[child] as number
      at = child
    }
    heap[at] = last
  }
}
