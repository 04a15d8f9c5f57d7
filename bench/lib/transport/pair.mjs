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
