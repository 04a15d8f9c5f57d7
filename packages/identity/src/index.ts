/**
 * X.509 identities, peer ids, authenticators and TLS over any byte stream.
 *
 * @example
 * ```ts
 * import { createServer, connect } from 'node:net'
 * import { createIdentity, pinnedPeers, secureClient, secureServer } from '@kithmesh/identity'
 *
 * const shop = await createIdentity({ commonName: 'shop' })
 * const warehouse = await createIdentity({ commonName: 'warehouse' })
 * const server = createServer((socket) => {
 *   void secureServer(socket, { identity: warehouse, authenticator: pinnedPeers([shop.peerId]) })
 *     .then(({ stream, peer }) => { stream.end(`hello ${peer?.commonName}`) })
 * }).listen(0, '127.0.0.1', async () => {
 *   const socket = connect((server.address() as { port: number }).port, '127.0.0.1')
 *   const { stream } = await secureClient(socket, { identity: shop, authenticator: pinnedPeers([warehouse.peerId]) })
 *   for await (const chunk of stream) process.stdout.write(chunk)
 *   server.close()
 * })
 * ```
 * @packageDocumentation
 */
export { acceptCertificate, insecureAcceptAnyone, pinnedPeers, trustOnFirstUse, trustedAuthorities } from './authenticators.ts'
export type { Authenticator, CertificateVerdict, FirstUsePeers, PeerCertificate, TrustStore } from './authenticators.ts'
export { certificateToPem, parseCertificates, peerIdOf } from './certificates.ts'
export { isSelfSigned, verifyChain } from './chain.ts'
export type { ChainVerdict, VerifyOptions } from './chain.ts'
export { createCertificateAuthority, createIdentity } from './create-identity.ts'
export type { CreateCertificateOptions, CreateIdentityOptions, KeyKind } from './create-identity.ts'
export { identityErrors } from './errors.ts'
export { openOrCreateIdentity } from './identity-file.ts'
export { identityToPem, identityToPkcs12, loadIdentity } from './identity.ts'
export type { Identity, IdentitySource } from './identity.ts'
export { judgeCertificate, requireTrusted } from './judge-certificate.ts'
export type { Standing } from './judge-certificate.ts'
export { basicAuthorization, equalSecrets, parseBasicAuthorization, passwordAuthenticator } from './password.ts'
export type { LoginOrigin, PasswordAuthenticator, PasswordCredentials } from './password.ts'
export { secureClient, secureServer } from './secure-stream.ts'
export type { SecureClientOptions, SecureServerOptions, SecureStream } from './secure-stream.ts'
export { serverTrustAuthenticator } from './server-trust.ts'
export type { ServerTrust } from './server-trust.ts'
export { allOf, anyOf } from './trust/combine.ts'
export { generateGroupKey, groupKey } from './trust/group-key.ts'
export type { GroupSecret } from './trust/group-key.ts'
export { pairing } from './trust/pairing.ts'
export type { PairedPeers, PairingOptions, PairingPeer } from './trust/pairing.ts'
export { sharedPassword } from './trust/shared-password.ts'
export type { SharedPasswordOptions } from './trust/shared-password.ts'
export { openKnownPeers } from './trust/known-peers-file.ts'
export type { KnownPeersFile } from './trust/known-peers-file.ts'
export { onlyKnownPeers } from './trust/known.ts'
export type { KnownPeerLookup } from './trust/known.ts'
export { RevocationList } from './trust/revocation-list.ts'
export type { RevocationListOptions, RevocationStore } from './trust/revocation-list.ts'
export { createRevocation, parseRevocation, verifyRevocation } from './trust/revocation.ts'
export type { CreateRevocationOptions, Revocation } from './trust/revocation.ts'
