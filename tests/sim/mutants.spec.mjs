// Meshes with a deliberate fault: the random schedules have to find each of them, and nothing in the same schedules without it.
import assert from 'node:assert/strict'
import { MeshEngine } from '@kithmesh/mesh/engine'
import { playRandomSchedule } from '@kithmesh/testkit/sim'

/** An engine that sees its connections through `change`. */
const through = (change) => (options, peer) => {
  const connector = { dial: async (...args) => change(await options.connector.dial(...args), peer) }
  const engine = new MeshEngine({ ...options, connector })
  const accept = engine.accept.bind(engine)
  engine.accept = (connection) => {
    accept(change(connection, peer))
  }
  return engine
}

/** A connection whose requests of a profile reach their receiver through `hand`. */
const withRequests = (connection, profile, hand) => {
  const { blip } = connection
  const changed = new Proxy(blip, {
    get(target, name) {
      if (name !== 'handle') return typeof target[name] === 'function' ? target[name].bind(target) : target[name]
      return (each, handler) => {
        target.handle(each, each === profile ? (request) => hand(request, handler) : handler)
      }
    }
  })
  return { ...connection, blip: changed }
}

/** Every third revision is acknowledged and forgotten. */
const dropsRevisions = () => {
  let revisions = 0
  return through((connection) =>
    withRequests(connection, 'rev', (request, handler) => {
      if (++revisions % 3 === 0) request.respond()
      else handler(request)
    })
  )
}

/** Revisions are acknowledged as soon as they come, so that the sender's checkpoint passes them, and stored long after it. */
const acknowledgesTooEarly = () =>
  through((connection, peer) =>
    withRequests(connection, 'rev', (request, handler) => {
      const { profile, properties, body, number, noReply, urgent } = request
      request.respond()
      const later = { profile, properties, body, number, noReply, urgent, respond: () => {}, respondError: () => {} }
      peer.time.clock.after(20_000, () => handler(later))
    })
  )

/** Of two peers that were linked once, none dials the other again. */
const neverHeals = () => {
  const tried = new Set()
  return (options) => {
    const dial = (id, ...rest) => {
      const pair = [options.localPeerId, id].sort().join(' ')
      if (tried.has(pair)) return Promise.reject(new Error('it was tried once'))
      tried.add(pair)
      return options.connector.dial(id, ...rest)
    }
    return new MeshEngine({ ...options, connector: { dial } })
  }
}

/** Each peer decides as it likes, and what the other side wrote is gone. */
const tosses = () => {
  let tosses = 0
  return () => ({ take: ++tosses % 2 === 0 ? 'local' : 'remote' })
}

/** One writes, and once checkpoints are saved the other one crashes. */
const lostInTheCrash = [
  { afterMs: 3000, kind: 'write', peer: 0, document: 0 },
  { afterMs: 0, kind: 'write', peer: 1, document: 1 },
  { afterMs: 12_000, kind: 'vanish', peer: 1 },
  { afterMs: 3000, kind: 'start', peer: 1 }
]

const mutants = {
  'a session that drops revisions': { peers: 2, options: () => ({ makeEngine: dropsRevisions() }) },
  'revisions acknowledged before they are stored': {
    peers: 2,
    script: lostInTheCrash,
    options: () => ({ makeEngine: acknowledgesTooEarly() })
  },
  'an engine that never heals': { peers: 4, weights: { vanish: 6 }, options: () => ({ makeEngine: neverHeals() }) },
  'an engine that never stops linking': {
    peers: 8,
    options: () => ({ mesh: { degree: { target: 7, max: 10 } }, maxDegree: 4 }),
    fair: { mesh: { degree: { target: 2, max: 4 } }, maxDegree: 4 }
  },
  'a resolver that tosses a coin': {
    peers: 4,
    weights: { conflict: 20, delete: 0 },
    options: () => ({ conflictResolver: tosses(), keepsFields: true })
  }
}

const SEEDS = Array.from({ length: 12 }, (_, index) => 1000 + index)

describe('random schedules find', () => {
  for (const [name, { peers, weights, script, options, fair = {} }] of Object.entries(mutants)) {
    it(name, async () => {
      const common = { peers, limitSeconds: 90, ...(weights === undefined ? {} : { weights }), ...(script === undefined ? {} : { script }) }
      let found = 0
      for (const seed of SEEDS) {
        if ((await playRandomSchedule({ ...common, seed, ...options() })).problems.length > 0) found++
        const { problems } = await playRandomSchedule({ ...common, seed, ...fair })
        assert.deepEqual(problems, [], `without the fault, seed ${seed}`)
      }
      assert.ok(found > 0, 'not in any of the schedules')
    })
  }
})
