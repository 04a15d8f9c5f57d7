// Whole replications with a peer that lies: a listener facing a hostile client (passive), and a replicator facing a hostile server (active).
// The session goes on or ends with an error of ours, it ends when the connection does, the store stays whole, and another replication
// beside it is not disturbed.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { isKithmeshError } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { createBlipConnection } from '@kithmesh/blip'
import { Replicator, serveReplication, socketEndpoint } from '@kithmesh/replicator'
import { blobsIn, documentsOf } from '../../e2e/support/database-differences.mjs'
import { End } from '../../e2e/faults/cut-line.mjs'
import { evilBody, evilBytes, evilText, evilValue } from '../evil.mjs'
import { recordedRequests } from './recorded.mjs'

const PROTOCOLS = { 'rev-trees': 'BLIP_3+CBMobile_3', 'version-vectors': 'BLIP_3+CBMobile_4' }
/** Runs with one database; then it is checked and a new one is taken. */
const RUNS_PER_DATABASE = 100
const MAX_MESSAGES = 24
const PATIENCE_MS = 30_000

const turn = () => new Promise((resolve) => setImmediate(resolve))
async function turns(count) {
  for (let n = 0; n < count; n++) await turn()
}

async function within(promise, what) {
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${PATIENCE_MS} ms`)), PATIENCE_MS)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

function checkError(error, who) {
  if (error === undefined) return
  assert(isKithmeshError(error), `${who} ended with an error without a code: ${error?.stack}`)
  // What a peer sends is never the fault of the store or of our own code.
  assert(error.code !== 'ERR_REPL_STORE', `${who} ended with ${error.code}: ${error.message} ${error.cause?.stack}`)
  for (let cause = error.cause; cause !== undefined; cause = cause?.cause)
    assert(
      !(cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError),
      `${who} stumbled: ${cause?.stack}`
    )
}

/** Two joined ends in memory. */
function line(versioning) {
  const [a, b] = ['hostile', 'ours'].map((name) => new End(name, PROTOCOLS[versioning]))
  a.other = b
  b.other = a
  return [a, b]
}

/** Texts of properties without what the codec itself refuses to send. */
const sendable = (text) => String(text).replaceAll('\0', '')

/** One request, made from a recorded one or from nothing, with something wrong in it more often than not. */
function hostileRequest(choices, recorded) {
  const { profile, properties, body } = choices.pick(recorded)
  const request = {
    profile,
    properties: { ...properties },
    body: Buffer.from(body),
    noReply: choices.oneIn(8),
    urgent: choices.oneIn(4),
    compress: choices.oneIn(3)
  }
  for (let n = choices.below(3); n > 0; n--) {
    const keys = Object.keys(request.properties)
    const way = choices.below(6)
    if (keys.length === 0 || way === 1) request.properties[sendable(evilText(choices)).slice(0, 50) || 'x'] = sendable(evilText(choices))
    else if (way === 2) delete request.properties[choices.pick(keys)]
    else request.properties[choices.pick(keys)] = sendable(choices.oneIn(4) ? JSON.stringify(evilValue(choices)) : evilText(choices))
  }
  if (choices.oneIn(2)) request.body = evilBody(request.body, choices)
  if (choices.oneIn(30)) request.profile = sendable(evilText(choices)) || 'x'
  return request
}

/** Answers whatever is asked, more or less as it should be. */
function hostileReply(choices, request) {
  const good = {
    getCollections: () => ({ body: Buffer.from('[{}]') }),
    getCheckpoint: () => undefined,
    setCheckpoint: () => ({ properties: { rev: '1-cc' } }),
    changes: () => ({ body: Buffer.from(JSON.stringify(listOf(request.body).map(() => []))) }),
    proposeChanges: () => ({ body: Buffer.from(JSON.stringify(listOf(request.body).map(() => choices.pick([0, 304, 409, 500, null])))) }),
    getAttachment: () => ({ body: choices.bytes(choices.below(100)) })
  }[request.profile]
  const reply = good?.() ?? {}
  switch (choices.below(8)) {
    case 1:
      request.respondError(
        choices.pick(['HTTP', 'BLIP', 'LiteCore', '', 'x']),
        choices.pick([0, 400, 401, 404, 409, 422, 500, 503, -1, 2 ** 31 - 1]),
        'no'
      )
      return
    case 2:
      return
    case 3:
      request.respond({ ...reply, body: evilBody(reply.body ?? Buffer.from('{}'), choices) })
      return
    case 4:
      request.respond({ ...reply, properties: { [choices.pick(['rev', 'noop', 'maxHistory', 'x'])]: sendable(evilText(choices)) } })
      return
    default:
      request.respond(reply)
  }
}

function listOf(body) {
  try {
    const list = JSON.parse(body.toString())
    return Array.isArray(list) ? list : []
  } catch {
    return []
  }
}

/** Plays the hostile side until the input is used up: requests, answers, and now and then a frame that breaks the framing. */
async function attack(end, choices, recorded) {
  const blip = createBlipConnection(end, { compressFromBytes: 64 })
  let open = true
  blip.onClosed(() => {
    open = false
  })
  for (const profile of [
    'getCollections',
    'getCheckpoint',
    'setCheckpoint',
    'subChanges',
    'changes',
    'proposeChanges',
    'rev',
    'norev',
    'getAttachment',
    'proveAttachment'
  ])
    blip.handle(profile, (request) => {
      if (!request.noReply) hostileReply(choices, request)
    })
  for (let n = 0; n < MAX_MESSAGES && !choices.over && open; n++) {
    if (choices.oneIn(40)) {
      const { send } = end
      end.send = (message) => send.call(end, evilBytes(message, choices))
      await turn()
    }
    const { profile, ...request } = hostileRequest(choices, recorded)
    blip.request({ profile, ...request }, () => {})
    await turns(choices.below(5))
  }
  await turns(8)
  if (choices.oneIn(2)) blip.close()
  else end.terminate()
}

async function newDatabase(versioning) {
  const database = await Database.open(':memory:', { versioning })
  const collection = database.collection()
  for (let n = 0; n < 6; n++) collection.put(`doc-${n}`, { n, text: 'text '.repeat(n * 30) })
  for (const name of ['a-0', 'a-small', 'a-large', 'b-0', 'common-0']) collection.put(name, { text: 'ours' })
  collection.put('blob', { photo: { ...(await database.blobs.saveBlob(Buffer.alloc(3000, 'b'), 'image/png')) } })
  collection.remove('doc-5')
  return database
}

/** Everything in it can be read, and every blob is what its digest says. */
async function checkDatabase(database) {
  database.checkIntegrity()
  for (const { scope, name } of database.collections())
    for (const document of documentsOf(database.collection(name, scope)).values()) {
      assert(typeof document.body === 'object' && document.body !== null, `${document.id} has no object for a body`)
      for (const { digest } of document.deleted ? [] : blobsIn(document.body)) {
        const bytes = await database.blobs.readBlob(digest)
        if (bytes !== undefined) assert.equal(`sha1-${createHash('sha1').update(bytes).digest('base64')}`, digest)
      }
    }
}

/** A replication that behaves, beside the hostile ones, for as long as they last. */
class Bystander {
  static async start(database, versioning) {
    const self = new Bystander()
    self.database = await Database.open(':memory:', { versioning })
    self.served = database
    self.replicator = new Replicator({
      database: self.database,
      endpoint: socketEndpoint({
        uid: 'the attacked one',
        open: async () => {
          const [near, far] = line(versioning)
          self.passive = serveReplication(far, { database, deltas: true })
          return near
        }
      }),
      type: 'push',
      continuous: true
    })
    self.replicator.onStatus(({ activity, error }) => {
      if (error !== undefined || activity === 'offline' || activity === 'stopped') self.trouble = error ?? activity
    })
    self.replicator.start()
    return self
  }

  #count = 0

  /** It replicates still, on its first connection. */
  async check() {
    const id = `bystander-${++this.#count}`
    this.database.collection().put(id, { fine: true })
    const deadline = Date.now() + PATIENCE_MS
    while (this.served.collection().get(id) === undefined && this.trouble === undefined && Date.now() < deadline) await turn()
    assert.equal(this.trouble, undefined, 'the replication beside it was disturbed')
    assert(this.served.collection().get(id) !== undefined, 'the replication beside it stands still')
  }

  async stop() {
    this.trouble = 'stopped on purpose'
    await this.replicator.stop()
    await this.database.close()
  }
}

function target(name, versioning, recordedOf, converse) {
  let database
  let bystander
  let recorded
  let runs = 0
  const renew = async () => {
    await finish()
    database = await newDatabase(versioning)
    bystander = await Bystander.start(database, versioning)
  }
  const finish = async () => {
    if (database === undefined) return
    await bystander.check()
    await bystander.stop()
    await checkDatabase(database)
    await database.close()
    database = undefined
  }
  return {
    name,
    async start() {
      runs = 0
      recorded = recordedOf(await recordedRequests(versioning))
    },
    async run(choices) {
      if (runs++ % RUNS_PER_DATABASE === 0) await renew()
      await converse(database, choices, recorded, () => line(versioning))
      if (runs % 20 === 0) await bystander.check()
    },
    finish,
    async stop() {
      await bystander?.stop()
      await database?.close()
      database = undefined
    }
  }
}

/** A listener faces a hostile client. */
export const passive = (name, versioning) =>
  target(
    name,
    versioning,
    ({ out }) => out,
    async (database, choices, recorded, join) => {
      const [theirs, ours] = join()
      const served = serveReplication(ours, { database, deltas: true })
      await attack(theirs, choices, recorded)
      const { error } = await within(served.ended, 'the end of the passive side')
      checkError(error, 'the passive side')
    }
  )

/** A replicator faces a hostile server. */
export const active = (name, versioning) =>
  target(
    name,
    versioning,
    (both) => both.in,
    async (database, choices, recorded, join) => {
      const [theirs, ours] = join()
      const replicator = new Replicator({ database, endpoint: socketEndpoint({ uid: 'hostile', open: async () => ours }), maxAttempts: 1 })
      const failed = []
      replicator.onDocuments((events) => {
        for (const { error } of events) if (error !== undefined) failed.push(error)
      })
      replicator.start({ reset: choices.oneIn(2) })
      await attack(theirs, choices, recorded)
      const { error } = await within(replicator.finished(), 'the end of the active side')
      checkError(error, 'the active side')
      for (const each of failed) assert(isKithmeshError(each), `a document failed without a code: ${each?.stack}`)
    }
  )
