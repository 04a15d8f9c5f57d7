import { defineErrors } from '@kithmesh/core'

/** Every code this package throws, see docs/errors.md. */
export const identityErrors = defineErrors({
  ERR_IDENTITY_LOAD: {
    when: 'A certificate or key file cannot be read or holds no usable certificate and private key.',
    hint: 'Give a PEM file with a certificate and its PKCS#8 key, or a PKCS#12 file.'
  },
  ERR_IDENTITY_PASSPHRASE: {
    when: 'A PKCS#12 file or an encrypted key does not open with the passphrase given.',
    hint: 'Check the passphrase.'
  },
  ERR_IDENTITY_PKCS12_CIPHER: {
    when: 'A PKCS#12 file is encrypted with a cipher that is not supported any more, such as 40-bit RC2.',
    hint: 'Export it again with a current tool, e.g. "openssl pkcs12 -export" of OpenSSL 3.'
  },
  ERR_IDENTITY_KEY_MISMATCH: {
    when: 'The private key belongs to none of the certificates.',
    hint: 'Put the key and its own certificate into one file.'
  },
  ERR_IDENTITY_STORE: {
    when: 'The identity cannot be written to or read from its directory.',
    hint: 'Check that the directory is writable and not full.'
  },
  ERR_IDENTITY_HANDSHAKE_TIMEOUT: {
    when: 'The TLS handshake did not finish before its deadline.',
    hint: 'The other side stalled or does not speak TLS on this port.'
  },
  ERR_IDENTITY_HANDSHAKE: {
    when: 'The TLS handshake failed.',
    hint: 'The other side may not speak TLS here, or may have refused our certificate; the cause says more.'
  },
  ERR_IDENTITY_NO_CERTIFICATE: {
    when: 'The peer presented no certificate although one is required.',
    hint: 'Give the other side an identity.'
  },
  ERR_IDENTITY_PEER_MISMATCH: {
    when: 'The peer proved another identity than the expected one.',
    hint: 'The address may have been taken over by another device, or the peer has a new identity.'
  },
  ERR_IDENTITY_UNTRUSTED: {
    when: "The authenticator refused the peer's certificate.",
    hint: 'Add the peer to those that are trusted, or check its certificate, dates and host name.'
  },
  ERR_IDENTITY_KNOWN_PEERS: {
    when: 'The file of known peers and revocations is damaged, or cannot be read or written.',
    hint: 'Repair the file, or delete it: then no device is known any more, and each has to prove itself anew. Check that its directory is writable.'
  },
  ERR_IDENTITY_UNPROVEN: {
    when: "The peer's certificate does not decide whether it is trusted, and the connection is of a kind on which it cannot prove more.",
    hint: 'Connect through a mesh, whose channel runs group keys, passwords and pairing, or accept the peer by its id or its authority.'
  },
  ERR_IDENTITY_REFUSED: {
    when: "The peer ended the connection after the handshake without sending anything: with TLS 1.3 a server judges the client's certificate only then.",
    hint: 'The other side probably does not trust this identity.'
  }
})
