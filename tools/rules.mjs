// The dependency rules of the workspace, as data; tools/check-deps.mjs applies them. A new package gets a line in `arrows`.

/** For each package, the packages of the workspace that its sources may import; 'any' for the one at the top. */
export const arrows = {
  core: [],
  identity: ['core'],
  websocket: ['core'],
  'network-clock': ['core'],
  'provider-dnssd': ['core'],
  'datagram-stream': ['core'],
  'provider-mqtt': ['core', 'identity'],
  database: ['core'],
  stun: ['core'],
  'transport-direct': ['core', 'identity', 'websocket'],
  'transport-reverse': ['core'],
  'transport-holepunch': ['core', 'stun'],
  'transport-turn': ['core', 'datagram-stream', 'stun'],
  replicator: ['core', 'database', 'identity', 'transport-direct', 'websocket'],
  mesh: ['core', 'database', 'identity', 'replicator', 'websocket'],
  testkit: ['core'],
  cli: 'any'
}

/** Imports of types only that a package may have beyond its arrows. */
export const typeOnlyArrows = {
  testkit: ['@kithmesh/database/storage']
}

/** The values (not types) that a package may take from another, where that is narrower than the arrow: the testkit knows core by its types and errors, and the context it gives strategies by core's own parts. */
export const valueNames = {
  testkit: {
    core: [
      'KithmeshError',
      'ClaimTable',
      'PROVIDER_CONTRACT_VERSION',
      'SignalingHub',
      'TRANSPORT_CONTRACT_VERSION',
      'coreErrors',
      'defineErrors',
      'errorCode',
      'isKithmeshError'
    ]
  }
}

/** Packages that have core as an ordinary dependency; every other one has it as a peer and a development dependency. */
export const coreIsDependency = ['cli']

/** Modules that only the files named may import. The certificate library of identity needs the polyfill before it is loaded. */
export const onlyImporters = {
  tsyringe: ['packages/core/src/internal/injector.ts'],
  'reflect-metadata': ['packages/core/src/internal/reflect.ts', 'packages/identity/src/create-identity.ts']
}

/** The package whose sources may read the environment and write to the console. */
export const commandLine = 'cli'

/** Modules that open sockets, and the functions of theirs that compute without opening any. */
export const socketModules = ['net', 'dgram', 'tls', 'http', 'https', 'http2', 'dns', 'multicast-dns', 'bonjour-service']
export const pureSocketFunctions = ['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress', 'rootCertificates', 'checkServerIdentity']

/** The names of the files that may open sockets, put TLS on a stream (secure-stream.ts, handshake-server.ts) or read an HTTP upgrade from one (acceptor.ts). */
export const socketFiles = [
  'acceptor.ts',
  'attempt.ts',
  'client.ts',
  'dial.ts',
  'handshake-server.ts',
  'listener.ts',
  'secure-stream.ts',
  'socket.ts',
  'sockets.ts'
]

/** Dependencies that no file of the package imports, with the reason they are there. */
export const unimported = {
  websocket: { bufferutil: 'ws loads it by itself when it is installed' }
}
