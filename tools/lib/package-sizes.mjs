// How large packages are, against their budgets. Pure.

/** Where the package `name` is found from `path` in a lock file, nearest first. */
function place(path, name, lock) {
  const parts = path.split('/')
  for (let count = parts.length; count >= 0; count -= 1) {
    const folder = parts.slice(0, count)
    if (folder.at(-1) === 'node_modules') continue
    const candidate = [...folder, 'node_modules', name].join('/')
    const entry = lock[candidate]
    if (entry !== undefined) return entry.link === true ? entry.resolved : candidate
  }
  return undefined
}

/**
 * The places in the lock file of all packages that npm installs with the one at `path`, itself not counted: dependencies, and peers that are not
 * optional, of all that come with it. Those that only other platforms take are not in the number.
 */
export function installedWith(path, lock) {
  const found = new Set()
  const waiting = [path]
  for (let at = waiting.shift(); at !== undefined; at = waiting.shift()) {
    const { dependencies = {}, peerDependencies = {}, peerDependenciesMeta = {} } = lock[at] ?? {}
    const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta[name]?.optional !== true)
    for (const name of [...Object.keys(dependencies), ...peers]) {
      const to = place(at, name, lock)
      if (to === undefined) throw new Error(`${name}, which ${at} depends on, is not in the lock file`)
      if (found.has(to) || to === path) continue
      found.add(to)
      waiting.push(to)
    }
  }
  return found
}

/**
 * What is wrong with sizes in bytes `{ name, packed, unpacked, packages }` under budgets `{ packedKiB, unpackedKiB, packages }` by name:
 * `{ name, text }` for what is larger than its budget or has none, for budgets of nothing, and for those that have become meaningless.
 */
export function compareSizes(found, budgets) {
  const problems = []
  for (const { name, packed, unpacked, packages } of found) {
    const budget = budgets[name]
    const say = (text) => problems.push({ name, text: `${name} ${text}` })
    if (budget === undefined) {
      say('has no budget')
      continue
    }
    const over = (bytes, limit, what) => {
      if (bytes > limit * 1024) say(`is ${Math.ceil(bytes / 1024)} KiB ${what}, and may be ${limit}`)
    }
    over(packed, budget.packedKiB, 'packed')
    over(unpacked, budget.unpackedKiB, 'unpacked')
    if (packages > budget.packages) say(`brings ${packages} packages with it, and may bring ${budget.packages}`)
    if (packages < budget.packages) say(`brings ${packages} packages with it; the budget of ${budget.packages} can come down`)
    if (packed * 2 < budget.packedKiB * 1024)
      say(`is ${Math.ceil(packed / 1024)} KiB packed, less than half of its budget of ${budget.packedKiB}`)
  }
  const names = new Set(found.map(({ name }) => name))
  for (const name of Object.keys(budgets)) if (!names.has(name)) problems.push({ name, text: `${name} has a budget, and is not published` })
  return problems
}
