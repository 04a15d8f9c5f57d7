import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { type KnownPeer, type KnownPeersStore, errorCode, isPeerId } from '@kithmesh/core'
import { identityErrors } from '../errors.ts'
import type { RevocationStore } from './revocation-list.ts'
import { type Revocation, parseRevocation } from './revocation.ts'

const LEVELS: readonly unknown[] = ['blocked', 'restricted', 'trusted']

/** Known peers and revocations in one file. */
export interface KnownPeersFile extends KnownPeersStore {
  readonly path: string
  readonly revocations: RevocationStore
}

interface Content {
  readonly peers: ReadonlyMap<string, KnownPeer>
  readonly revocations: readonly Revocation[]
}

/**
 * Known peers in a JSON file, for `new KnownPeers({ store })`, and revocations beside them:
 * `{ "version": 1, "peers": [{ "peerId", "name", "level", "how", "since", "lastSeen", "lastAddress" }], "revocations": […] }`.
 *
 * The file is replaced in one step, readable by its owner only, and a missing one is made when there is something to write. Peers that another program or a
 * person changed meanwhile are taken over, unless they have been changed here as well. A file of an older version, `{ "<name>": "<peer id>" }`, is read as peers trusted on first use,
 * and becomes one of this form when it is written.
 *
 * A damaged file is an error for everything that is done with it, and never overwritten: nobody is known, and nobody is accepted anew, until it is repaired.
 * @throws from its methods ERR_IDENTITY_KNOWN_PEERS with the path in `details`
 */
export function openKnownPeers(path: string): KnownPeersFile {
  /** What the caller of `load` and `save` had last. */
  let last: ReadonlyMap<string, KnownPeer> = new Map()
  let queue: Promise<unknown> = Promise.resolve()
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = queue.then(work)
    queue = done.catch(() => {})
    return done
  }
  return {
    path,
    load: () =>
      inTurn(async () => {
        last = (await read(path)).peers
        return [...last.values()]
      }),
    save: (peers) =>
      inTurn(async () => {
        const { peers: present, revocations } = await read(path)
        const ours = new Map(peers.map((peer) => [peer.peerId, peer]))
        await write(path, { peers: merge(last, present, ours), revocations })
        // What others decided is not known to the caller until it loads again.
        last = ours
      }),
    revocations: {
      load: () => inTurn(async () => (await read(path)).revocations),
      save: (revocations) =>
        inTurn(async () => {
          await write(path, { ...(await read(path)), revocations })
        })
    }
  }
}

/**
 * What is known of each peer: what was decided elsewhere counts unless it was decided here as well since `base`, and then blocked is
 * stronger. That a peer was merely seen here decides nothing.
 */
function merge(
  base: ReadonlyMap<string, KnownPeer>,
  theirs: ReadonlyMap<string, KnownPeer>,
  ours: ReadonlyMap<string, KnownPeer>
): ReadonlyMap<string, KnownPeer> {
  const merged = new Map<string, KnownPeer>()
  for (const peerId of new Set([...ours.keys(), ...theirs.keys()])) {
    const [before, there, here] = [base.get(peerId), theirs.get(peerId), ours.get(peerId)]
    const decidedHere = here?.level !== (before?.level ?? (here === undefined ? undefined : 'restricted'))
    const decidedThere = there?.level !== before?.level
    const chosen = decidedThere && (!decidedHere || there?.level === 'blocked') ? there : here
    if (chosen === undefined) continue
    const seen = here !== undefined && here.lastSeen > chosen.lastSeen ? here : chosen
    const { lastSeen, lastAddress } = seen
    merged.set(peerId, { ...chosen, lastSeen, ...(lastAddress === undefined ? {} : { lastAddress }) })
  }
  return merged
}

async function read(path: string): Promise<Content> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    if (errorCode(cause) === 'ENOENT') return { peers: new Map(), revocations: [] }
    throw failure(path, 'cannot be read', cause)
  }
  try {
    return parse(JSON.parse(text))
  } catch (cause) {
    throw failure(path, 'is damaged', cause)
  }
}

function parse(value: unknown): Content {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('it is not a JSON object')
  const { version, peers, revocations = [] } = value as { readonly [name in 'version' | 'peers' | 'revocations']?: unknown }
  if (!Array.isArray(peers)) return { peers: fromNames(value), revocations: [] }
  if (version !== 1) throw new TypeError(`it is of version ${JSON.stringify(version)}, which this program does not know`)
  if (!Array.isArray(revocations)) throw new TypeError('"revocations" is no list')
  const known = new Map<string, KnownPeer>()
  for (const each of peers as readonly unknown[]) {
    const peer = parsePeer(each)
    if (known.has(peer.peerId)) throw new TypeError(`the peer ${peer.peerId} is there twice`)
    known.set(peer.peerId, peer)
  }
  return {
    peers: known,
    revocations: revocations.map((each: unknown) => {
      const revocation = parseRevocation(each)
      if (revocation === undefined) throw new TypeError('one of the revocations is malformed')
      return revocation
    })
  }
}

function parsePeer(value: unknown): KnownPeer {
  const { peerId, name = '', level, how = 'by hand', since = 0, lastSeen = 0, lastAddress } = (value ?? {}) as Partial<KnownPeer>
  if (!isPeerId(peerId)) throw new TypeError(`${JSON.stringify(peerId)} is no peer id of 64 lowercase hex digits`)
  const texts = [name, how, lastAddress ?? ''].every((text) => typeof text === 'string' && text.length <= 1000)
  if (!texts || !LEVELS.includes(level) || !Number.isFinite(since) || !Number.isFinite(lastSeen))
    throw new TypeError(`the entry of the peer ${peerId} is malformed`)
  return { peerId, name, level: level!, how, since, lastSeen, ...(lastAddress === undefined ? {} : { lastAddress }) }
}

/** The form of versions before 1: which peer id first came under which name. */
function fromNames(value: object): ReadonlyMap<string, KnownPeer> {
  const peers = new Map<string, KnownPeer>()
  for (const [name, peerId] of Object.entries(value)) {
    if (!isPeerId(peerId)) throw new TypeError(`${JSON.stringify(name)} has no peer id of 64 lowercase hex digits`)
    peers.set(peerId, { peerId, name, level: 'trusted', how: 'trust on first use', since: 0, lastSeen: 0 })
  }
  return peers
}

async function write(path: string, { peers, revocations }: Content): Promise<void> {
  const value = { version: 1, peers: [...peers.values()], ...(revocations.length === 0 ? {} : { revocations }) }
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(value, null, 2)}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {})
    throw failure(path, 'cannot be written', cause)
  }
}

function failure(path: string, what: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause)
  return identityErrors.create('ERR_IDENTITY_KNOWN_PEERS', `${path} ${what}: ${why}`, { cause, details: { path } })
}
