// Requests of real replications, recorded here and now, as what hostile ones are made from.
import { memoryLink } from '../../e2e/support/memory-link.mjs'
import { Scene } from '../../e2e/faults/scene.mjs'
import { WireTap } from '../../e2e/support/wire-tap.mjs'

/** `{ out, in }`: requests of the active and of the passive side, `{ profile, properties, body }`, one of each shape. */
export async function recordedRequests(versioning) {
  const scene = await Scene.create(versioning)
  const link = memoryLink('message-stream', { database: scene.b, deltas: true })
  const tap = new WireTap()
  const seen = new Map()
  tap.onRequest = (direction, { Profile: profile, ...properties }, body) => {
    const shape = `${direction} ${profile} ${Object.keys(properties)} ${body.length > 2} ${body.includes('@type')}`
    if (!seen.has(shape)) seen.set(shape, { direction, profile, properties, body })
  }
  try {
    await scene.edits()
    for (let n = 0; n < 3; n++) {
      const replicator = scene.replicator(tap.on(link.endpoint))
      replicator.start()
      const { error } = await replicator.finished()
      if (error !== undefined) throw error
      scene.a.collection().put('a-0', { text: `again ${n}`, long: 'x'.repeat(3000) })
      scene.b.collection().put('b-0', { text: `again ${n}`, long: 'x'.repeat(3000) })
    }
  } finally {
    await link.stop()
    await scene.close()
  }
  const all = [...seen.values()]
  return { out: all.filter(({ direction }) => direction === 'out'), in: all.filter(({ direction }) => direction === 'in') }
}
