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
  'provider-ble': ['core'],
  database: ['core'],
  stun: ['core'],
  blip: ['core'],
  'transport-direct': ['core', 'identity', 'websocket'],
  'transport-reverse': ['core'],
  'transport-holepunch': ['core', 'stun'],
  'transport-turn': ['core', 'datagram-stream', 'stun'],
  replicator: ['blip', 'core', 'database', 'identity', 'transport-direct', 'websocket'],
  channel: ['blip', 'core'],
  mesh: ['blip', 'channel', 'core', 'database', 'identity', 'replicator', 'websocket'],
  dashboard: ['core', 'database', 'mesh'],
  relay: ['core', 'stun'],
  testkit: ['core'],
  'create-plugin': [],
  cli: 'any'
}

/** What the files of one folder may import beyond the arrows of their package, as optional peers of it: whoever uses that entry has them. */
export const folderArrows = {
  testkit: { 'src/sim/': ['blip', 'database', 'mesh', 'replicator'] }
}

/** Imports of types only that a package may have beyond its arrows. */
export const typeOnlyArrows = {
  testkit: ['@kithmesh/database/storage', '@kithmesh/provider-ble']
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
      'isKithmeshError',
      'joinSignals'
    ]
  }
}

/** Packages that have core as an ordinary dependency; every other one has it as a peer and a development dependency. */
export const coreIsDependency = ['cli']

/** Packages that do not use core at all. */
export const withoutCore = ['create-plugin']

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

/** Dependencies that no file of the package imports, with the reason they are there; `.` is the checkout itself. */
export const unimported = {
  '.': {
    '@changesets/cli': '`npm run changeset`'
  },
  websocket: { bufferutil: 'ws loads it by itself when it is installed' },
  'create-plugin': Object.fromEntries(
    ['@kithmesh/core', '@kithmesh/testkit'].map((name) => [name, 'the range is what generated packages ask for'])
  ),
  'provider-ble': Object.fromEntries(
    ['@abandonware/bleno', '@abandonware/bluetooth-hci-socket', '@abandonware/noble', '@stoprocent/bleno', '@stoprocent/noble'].map(
      (name) => [name, 'loaded by name when Bluetooth is started, where it is installed']
    )
  )
}
