// Members of a mesh: processes of `kithmesh sync`, each with a directory of its own, and what they all have to come to.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Database } from '@kithmesh/database'
import { eventually } from '../../support/eventually.mjs'
import { start, uniqueName } from '../support/kithmesh.mjs'

const CONNECTED = new Set(['busy', 'idle'])

/** One device. Its database is also open here, as other programs may have it open. */
export class Member {
  /**
   * @param options.words more words for `kithmesh sync`, or what they are now
   * @param options.host the network namespace to run in; on the loopback interface otherwise
   * @param options.program another program in place of `kithmesh sync`
   */
  static async make(home, group, base, { words = ['--first-use'], host, program } = {}) {
    const member = new Member()
    member.base = base
    member.name = uniqueName(base)
    member.directory = join(home, base)
    member.database = await Database.open(member.directory, { watch: false })
    member.launch = () => {
      const more = typeof words === 'function' ? words() : words
      const where = host === undefined ? ['--interface', 'lo'] : []
      return program === undefined
        ? start(['sync', member.directory, '--group', group, '--name', member.name, '--json', ...where, ...more], { host })
        : start([member.directory, group, member.name], { file: program, host })
    }
    return member
  }

  /** Starts it; again after it ended. */
  start() {
    this.process = this.launch()
    return this
  }
  /** Who it is; undefined until it has run for the first time. */
  get id() {
    this.known ??= this.process?.events.find(({ event }) => event === 'started')?.peerId
    return this.known
  }
  get runs() {
    return this.process !== undefined && !this.process.over
  }
  /** Ends it in order; what it said goes with it. */
  async stop() {
    const code = await this.process.stop()
    if (code !== 0) throw new Error(`${this.base} ended with ${code}: ${this.process.err}`)
  }
  kill() {
    return this.process.kill()
  }
  /** Ends it and closes its database. */
  async release() {
    if (this.runs) await this.kill()
    await this.database.close()
  }

  /** Its links as it told of them last, by device. */
  get links() {
    const links = new Map()
    for (const event of this.process?.events ?? []) {
      if (event.event === 'link') links.set(event.device, event)
      if (event.event === 'gone') links.delete(event.device)
    }
    return links
  }
  /** Ids of the devices over whose links documents may move. */
  get neighbours() {
    return [...this.links.values()].filter(({ state }) => CONNECTED.has(state)).map(({ device }) => device)
  }

  get collection() {
    return this.database.collection()
  }
  body(id) {
    return this.collection.get(id)?.body
  }
  /** Writes documents `<prefix>:0`, `<prefix>:1`, … that say who wrote them. */
  write(prefix, count) {
    this.collection.putMany(
      Array.from({ length: count }, (_, n) => ({ id: `${prefix}:${n}`, body: { n, by: this.base, text: 'x'.repeat(80) } }))
    )
  }
  /** One text for what is in its database: every document with its revision, those deleted too. */
  get digest() {
    const hash = createHash('sha256')
    const entries = this.collection.changes({ limit: Number.MAX_SAFE_INTEGER }).map(({ id, revId }) => `${id} ${revId}\n`)
    for (const entry of entries.sort()) hash.update(entry)
    return hash.digest('hex')
  }
}

/** Waits until `passes`, for as long as many processes on a slow machine may take; the failure says how the members stand. */
export async function until(members, what, passes) {
  await eventually(what, passes, { withinMs: 120_000, everyMs: 100 }).catch((error) => {
    throw new Error(`${error.message}\n${describeAll(members)}`, { cause: error })
  })
}

function describeAll(members) {
  return members
    .map((member) => {
      const states = [...member.links.values()].map(({ name, state, code }) => `${name} ${state}${code === undefined ? '' : ` ${code}`}`)
      return `${member.name}: ${member.collection.count} documents; ${states.join(', ') || 'no links'}`
    })
    .join('\n')
}

/** Waits until all have the same `count` documents in the same revisions, and no conflict is left. */
export async function equal(members, count) {
  await until(members, `the same ${count} documents with all ${members.length}`, () => {
    if (members.some(({ collection }) => collection.count !== count)) return false
    const [first, ...others] = members.map(({ digest }) => digest)
    return others.every((digest) => digest === first) && members.every(({ collection }) => collection.conflicts({ limit: 1 }).length === 0)
  })
}

/** Whether members are joined by links, directly or by way of others. */
export function joined(members) {
  const [{ id: first }] = members
  const reached = new Set([first])
  for (let grew = true; grew; ) {
    grew = false
    for (const { id, neighbours } of members) {
      const ends = [id, ...neighbours]
      if (!ends.some((end) => reached.has(end))) continue
      for (const end of ends) {
        if (reached.has(end)) continue
        reached.add(end)
        grew = true
      }
    }
  }
  return members.every(({ id }) => reached.has(id))
}
