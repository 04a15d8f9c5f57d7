import { defineErrors } from '@kithmesh/core'

/** Every code this package throws or reports, see docs/errors.md. */
export const meshErrors = defineErrors({
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
  ERR_MESH_DISTRUSTED: {
    when: 'Two linked devices trusted each other, and one of them does no longer.',
    hint: 'Documents do not move between them until the program that withdrew its trust gives it again.'
  },
  ERR_MESH_QUARANTINED: {
    when: 'A device misbehaved more often than is forgiven: stalled handshakes, malformed messages, too many messages, lies about the topology, or documents that fail again and again.',
    hint: 'The details say what it did last. It is let in again by itself, later each time; mesh.release lets it in at once.'
  },
  ERR_MESH_FULL: {
    when: 'The other device has as many links as it may have.',
    hint: 'Nothing to do: others are linked with instead, and this one is tried again later. The limit is its option degree.max.'
  },
  ERR_MESH_DIAL_TIMEOUT: {
    when: 'A connection was not open in time, although none of its phases reported a failure.',
    hint: 'It is tried again. When it happens often, look at the transports: one of them does not end its attempts.'
  },
  ERR_MESH_SELF: {
    when: 'What discovery found turned out to be this very device.',
    hint: 'Nothing to do. Two programs must not share an identity, though: give each its own.'
  },
  ERR_MESH_INCOMING_LIMIT: {
    when: 'Too many incoming connections are being negotiated; the oldest gives way.',
    hint: 'Something opens connections without finishing them; look who it is.'
  },
  ERR_MESH_BLOCKED: {
    when: 'A device is blocked in the list of known peers.',
    hint: 'Nothing to do. To let it in again, change its level in the known peers.'
  },
  ERR_MESH_REVOKED: {
    when: 'An authority that this device trusts has revoked another device.',
    hint: 'The device needs a new identity that the authority certifies; a revocation is final.'
  },
  ERR_MESH_STOPPED: {
    when: 'The mesh was stopped while a device waited to be let in.',
    hint: 'Nothing to do: the device comes again when the mesh is started again.'
  }
})
