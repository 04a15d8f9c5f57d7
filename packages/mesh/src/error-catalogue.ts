import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const meshErrors = defineErrors({
  ERR_MESH_NO_LISTENER: { when: 'None of the transports can listen, so no peer could connect to this device.', hint: 'Add a transport with a passive side, e.g. direct() of @kithmesh/transport-direct.' },
  ERR_MESH_IDENTITY: { when: 'The identity given to the mesh is not the one its discovery publishes.', hint: 'Pass identity.peerId as localPeerId to createPeerDiscovery.' }
})
