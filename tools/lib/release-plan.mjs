// What a release has to look like, for tools/check-release.mjs. Pure.

const LEVELS = ['none', 'patch', 'minor', 'major']

/** The bumps that a changeset asks for, `{ [package]: level }`. Throws when its head cannot be read. */
export function readChangeset(text) {
  const head = /^---\r?\n([\s\S]*?)^---\s*$/m.exec(text)
  if (head === null) throw new Error('it does not begin with lines between two ---')
  const lines = head[1].split('\n').filter((line) => line.trim() !== '')
  return Object.fromEntries(
    lines.map((line) => {
      const match = /^(['"])(.+)\1: *(patch|minor|major)$/.exec(line.trim())
      if (match === null) throw new Error(`it does not say a package and patch, minor or major: ${line}`)
      return [match[2], match[3]]
    })
  )
}

/** The highest level asked for, by package. */
export function wantedBumps(changesets) {
  const wanted = {}
  for (const bumps of changesets)
    for (const [name, level] of Object.entries(bumps))
      if (LEVELS.indexOf(level) > LEVELS.indexOf(wanted[name] ?? 'none')) wanted[name] = level
  return wanted
}

/** Which part of a version changed first. */
export function levelBetween(before, after) {
  if (before === after) return 'none'
  const [a, b] = [before, after].map((version) => version.split('.').map(Number))
  if (a[0] !== b[0]) return 'major'
  return a[1] === b[1] ? 'patch' : 'minor'
}

/** True when `^version` takes `other` in (semver: the first number that is not zero stays). */
export function caretTakes(range, other) {
  const from = /^\^(\d+)\.(\d+)\.(\d+)$/.exec(range)?.slice(1).map(Number)
  if (from === undefined) return false
  const to = other.split('.').map(Number)
  const fixed = from[0] > 0 ? 1 : from[1] > 0 ? 2 : 3
  for (let place = 0; place < 3; place += 1) if (to[place] !== from[place]) return place >= fixed && to[place] > from[place]
  return true
}

/**
 * What is wrong with the versions that a release would give: `before` and `after` are manifests by name, `wanted` the bumps asked for. Each
 * package gets what it asked for; others only follow, with a patch; none a major version; and all of the workspace fit each other.
 */
export function releaseProblems(before, after, wanted) {
  const problems = []
  for (const name of Object.keys(wanted)) if (before[name] === undefined) problems.push(`a changeset names ${name}, which is not published`)
  for (const [name, { version }] of Object.entries(before)) {
    const next = after[name]
    const level = levelBetween(version, next.version)
    const asked = wanted[name]
    if (asked === undefined && version === '0.0.0') problems.push(`${name} was never released, and no changeset names it`)
    if (level === 'major') problems.push(`${name} would become ${next.version}: no major version while all are 0.x`)
    else if (asked !== undefined && level !== asked)
      problems.push(`${name} would get a ${level} version (${next.version}), and its changesets ask for ${asked}`)
    else if (asked === undefined && LEVELS.indexOf(level) > 1)
      problems.push(`${name} would get a ${level} version, and no changeset asks for it`)
    for (const kind of ['dependencies', 'peerDependencies', 'devDependencies'])
      for (const [dependency, range] of Object.entries(next[kind] ?? {}))
        if (after[dependency] !== undefined && !caretTakes(range, after[dependency].version))
          problems.push(`${name} ${next.version} has ${dependency} ${range} in its ${kind}, and that would be ${after[dependency].version}`)
  }
  return problems
}

/** The names in the order in which they can be published: what a package needs comes before it. Throws for a circle. */
export function publishOrder(manifests) {
  const order = []
  const open = new Set()
  const visit = (name) => {
    if (order.includes(name)) return
    if (open.has(name)) throw new Error(`${[...open, name].join(' needs ')}: nothing of that can be published first`)
    open.add(name)
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = manifests[name]
    const needed = [
      ...Object.keys(dependencies),
      ...Object.keys(peerDependencies).filter((peer) => peerDependenciesMeta[peer]?.optional !== true)
    ]
    for (const dependency of needed.sort()) if (manifests[dependency] !== undefined) visit(dependency)
    open.delete(name)
    order.push(name)
  }
  for (const name of Object.keys(manifests).sort()) visit(name)
  return order
}
