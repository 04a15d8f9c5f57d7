/** The n-th benchmark document: about 200 bytes of JSON, different for every n. */
export function benchDocument(n) {
  return {
    type: 'item',
    name: `Item number ${n}`,
    quantity: n % 997,
    price: (n * 37) % 10000,
    active: n % 3 !== 0,
    tags: ['bench', `group-${n % 50}`, `lane-${n % 7}`],
    note: `The quick brown fox jumps over lazy dog ${n}`
  }
}

/** Ids are scattered, so that an index on them is not filled in order. */
export function benchId(n) {
  return `doc-${((n * 2654435761) % 4294967296).toString(16).padStart(8, '0')}-${n}`
}
