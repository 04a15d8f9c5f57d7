import { createIdentity, identityToPem } from '@kithmesh/identity'

/** Two processes that know each other's certificates. */
export async function pair(stage) {
  const [near, far] = [stage.start('transport'), stage.start('transport')]
  const [nearIdentity, farIdentity] = await Promise.all([createIdentity({ commonName: 'near' }), createIdentity({ commonName: 'far' })])
  await near.ask({ do: 'identify', pem: identityToPem(nearIdentity), peer: farIdentity.peerId })
  await far.ask({ do: 'identify', pem: identityToPem(farIdentity), peer: nearIdentity.peerId })
  return { near, far }
}

/** Adds to a list of samples that is made when it is first needed. */
export function note(samples, name, value) {
  samples[name] ??= []
  samples[name].push(value)
}

/** What `work` gives, and the processor time that it took in both processes, milliseconds. */
export async function withCpu({ near, far }, work) {
  const used = async () => (await near.ask({ do: 'cpu' })) + (await far.ask({ do: 'cpu' }))
  const before = await used()
  const result = await work()
  return { ...result, cpuMs: (await used()) - before }
}

const PATIENCE_MS = 120_000

/** What `work` gives, unless it takes so long that it never will: coturn 4.6 now and then stops to read. */
export async function patiently(what, work) {
  let timer
  try {
    return await Promise.race([
      work(),
      new Promise((_resolve, reject) => {
        timer = setTimeout(() => reject(new Error(`${what}: nothing came for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS)
      })
    ])
  } finally {
    clearTimeout(timer)
  }
}
