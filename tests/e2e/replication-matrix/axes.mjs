// The settings of a replication that the matrix goes through. Each axis has its values and how a combination reads in a test's name.
const axes = {
  type: ['push', 'pull', 'push-and-pull'],
  continuous: [false, true],
  deltas: [false, true],
  blobs: [false, true],
  filtered: [false, true],
  collections: [1, 20],
  versioning: ['rev-trees', 'version-vectors'],
  transport: ['wss', 'message-stream', 'byte-stream']
}

/** Every combination of the values, as objects with a value for each axis. */
export function combinations(given = axes) {
  return Object.entries(given).reduce(
    (all, [name, values]) => all.flatMap((partial) => values.map((value) => ({ ...partial, [name]: value }))),
    [{}]
  )
}

export function title({ type, continuous, deltas, blobs, filtered, collections, versioning, transport }) {
  return [
    type,
    continuous ? 'continuous' : 'one-shot',
    deltas ? 'deltas' : 'no deltas',
    blobs ? 'blobs' : 'no blobs',
    filtered ? 'filter' : 'no filter',
    collections === 1 ? '1 collection' : `${collections} collections`,
    versioning,
    transport
  ].join(', ')
}
