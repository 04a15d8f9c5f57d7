import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const meshErrors = defineErrors({
  ERR_MESH_NO_LISTENER: {
    when: 'None of the transports can listen, so no peer could connect to this device.',
    hint: 'Add a transport with a passive side, e.g. direct() of @kithmesh/transport-direct.'
  },
  ERR_MESH_IDENTITY: {
    when: 'The identity given to the mesh is not the one its discovery publishes.',
    hint: 'Pass identity.peerId as localPeerId to createPeerDiscovery.'
  },
  ERR_MESH_COLLECTION: {
    when: 'A collection given to the mesh does not exist in its database.',
    hint: 'Create it before the mesh is started: database.collection(name, scope, { create: true }).'
  },
  ERR_MESH_REFUSED: {
    when: 'The other device does not accept this one: its authenticator does not know our certificate.',
    hint: 'Have the other device accept the peer id in the details; it is tried again from time to time.'
  },
  ERR_MESH_DUPLICATE: {
    when: 'A device turned out to be one that there is a link with already.',
    hint: 'Nothing to do: the other link does the work.'
  },
  ERR_MESH_SELF: {
    when: 'What discovery found turned out to be this very device.',
    hint: 'Nothing to do. Two programs must not share an identity, though: give each its own.'
  },
  ERR_MESH_INCOMING_LIMIT: {
    when: 'Too many incoming connections are being negotiated; the oldest gives way.',
    hint: 'Something opens connections without finishing them; look who it is.'
  }
})
