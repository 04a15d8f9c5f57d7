import { figure } from '../statistics.mjs'

const TREES = 'rev-trees'

/** Whole databases into empty ones, both ways, beside the floor. */
export async function throughput({ stage, rounds, documents, versionings, say }) {
  const samples = { floorPush: [], floorPull: [], tuned: [] }
  for (const versioning of versionings)
    samples[versioning] = { push: [], pull: [], rss: [[], [], [], []], cpu: [[], [], [], []], again: [] }
  for (let number = 0; number < rounds; number++) {
    samples.floorPush.push(await floor(stage, documents, 'push'))
    for (const versioning of versionings) await both(stage, documents, versioning, samples[versioning])
    samples.floorPull.push(await floor(stage, documents, 'pull'))
    samples.tuned.push(await floor(stage, documents, 'push', 'tuned'))
    say(`  round ${number + 1} of ${rounds}`)
  }
  const figures = [
    figure('floor, client sends', 'documents/s', samples.floorPush),
    figure('floor, server sends', 'documents/s', samples.floorPull),
    figure('tuned floor, client sends', 'documents/s', samples.tuned)
  ]
  for (const versioning of versionings) {
    const { push, pull, rss, cpu, again } = samples[versioning]
    const goals = (direction, floorSamples) =>
      versioning === TREES || samples[TREES] === undefined
        ? { atLeast: 0.6, of: floorSamples, name: 'the floor' }
        : { atLeast: 0.9, of: samples[TREES][direction], name: 'trees' }
    const name = `${versioning},`
    figures.push(
      figure(`${name} push`, 'documents/s', push, { goal: goals('push', samples.floorPush) }),
      figure(`${name} pull`, 'documents/s', pull, { goal: goals('pull', samples.floorPull) }),
      ...['push, active', 'push, passive', 'pull, active', 'pull, passive'].flatMap((side, index) => [
        figure(`${name} peak memory, ${side}`, 'MB', rss[index], { goal: { atMost: 150 } }),
        figure(`${name} processor, ${side}`, 'µs/document', cpu[index], { digits: 1 })
      ]),
      figure(`${name} again, nothing changed`, 'ms', again, { digits: 1 })
    )
  }
  return figures
}

/** One transfer of `documents` without a protocol, in one of the styles of `floor-peer.mjs`; documents per second. */
export async function floor(stage, documents, direction, style = 'plain') {
  const source = await stage.loaded(TREES, documents)
  const client = stage.start('floor')
  const server = stage.start('floor')
  const target = stage.directory()
  const push = direction === 'push'
  await client.ask({ do: 'open', directory: push ? source : target, style })
  await server.ask({ do: 'open', directory: push ? target : source, style })
  const port = await server.ask({ do: 'serve', receive: push, count: documents })
  const { ms } = await client.ask({ do: 'run', port, receive: !push, count: documents })
  const arrived = await (push ? server : client).ask({ do: 'count' })
  if (arrived !== documents) throw new Error(`the floor moved ${arrived} of ${documents} documents`)
  for (const peer of [client, server]) await peer.ask({ do: 'close' })
  await stage.stop(client, server)
  stage.discard(target)
  return (documents / ms) * 1000
}

async function both(stage, documents, versioning, samples) {
  for (const [index, type] of ['push', 'pull'].entries()) {
    const { perSecond, rss, cpu, again } = await transfer(stage, { documents, versioning, type, live: documents })
    samples[type].push(perSecond)
    samples.rss[2 * index].push(rss[0])
    samples.rss[2 * index + 1].push(rss[1])
    samples.cpu[2 * index].push(cpu[0])
    samples.cpu[2 * index + 1].push(cpu[1])
    if (type === 'push') samples.again.push(again)
  }
}

/**
 * Replicates a whole database into an empty one between two new processes.
 * @param live how many documents count at the end; with `deleted` of a hundred the others are tombstones.
 * @returns documents per second, peak memory [active, passive] in MB, their processor time in µs per document, and the milliseconds of a
 *   second run with nothing to do.
 */
export async function transfer(stage, { documents, versioning, type, live, deleted = 0 }) {
  const push = type === 'push'
  const source = await stage.loaded(versioning, documents, deleted)
  // A push writes down what the peer has.
  const active = await stage.open(versioning, push ? stage.copy(source) : stage.directory())
  const passive = await stage.open(versioning, push ? stage.directory() : source)
  const port = await passive.peer.ask({ do: 'serve' })
  const before = await passive.peer.ask({ do: 'cpu' })
  const { ms, cpuMs, statistics } = await active.peer.ask({ do: 'replicate', port, type })
  const passiveCpuMs = (await passive.peer.ask({ do: 'cpu' })) - before
  const moved = push ? statistics.documentsPushed : statistics.documentsPulled
  const arrived = await (push ? passive : active).peer.ask({ do: 'count' })
  if (moved !== documents || arrived !== live) throw new Error(`the ${type} moved ${moved} of ${documents} documents; ${arrived} arrived`)
  const rss = [await active.peer.ask({ do: 'rss' }), await passive.peer.ask({ do: 'rss' })]
  const again = (await active.peer.ask({ do: 'replicate', port, type })).ms
  await stage.close(active, passive)
  stage.discard(active.directory, ...(push ? [passive.directory] : []))
  const perDocument = (cpu) => (cpu * 1000) / documents
  return { perSecond: (documents / ms) * 1000, rss, cpu: [perDocument(cpuMs), perDocument(passiveCpuMs)], again }
}
