// Which versions of Node the unit suites are run on besides the running one, with what of the suites, and where those versions come from.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'
import { sideInstall } from './side-install.mjs'

/**
 * Suites that are not run on other versions, by the end of their file's name without `.spec.js` (a folder stands for all below it), and why. What a
 * version of Node may do differently (SQLite, sockets, TLS, streams, files, processes, diagnostics channels, the loading of what was built) shows
 * in the suites that stay.
 */
export const leftOut = [
  {
    why: 'random histories and inputs, which no version of Node plays differently',
    files: [
      'replicator/simulator',
      'replicator/gateway-random',
      'replicator/delta/codec',
      'database/convergence',
      'database/vector-convergence',
      'database/vector-fuzz',
      'blip/interleaving',
      'channel/transfers',
      'datagram-stream/association',
      'datagram-stream/parts',
      'provider-ble/hci/fuzz',
      'provider-ble/l2cap/model'
    ]
  },
  {
    why: 'devices on a virtual air, in this process alone; the libraries and sockets below them are in neighbouring suites',
    files: [
      'provider-ble/air-conformance',
      'provider-ble/air-mesh',
      'provider-ble/central-air',
      'provider-ble/central-crossing',
      'provider-ble/central-loss',
      'provider-ble/central-many',
      'provider-ble/conformance',
      'provider-ble/l2cap/conformance',
      'provider-ble/publisher-air'
    ]
  },
  {
    why: 'what a mesh decides; what it takes from Node for that is used in its suites sync, channels, life-cycle and diagnostics, too',
    files: [
      'mesh/admission',
      'mesh/better-route',
      'mesh/better-route-timing',
      'mesh/better-route-tries',
      'mesh/defects',
      'mesh/last-resort',
      'mesh/one-link',
      'mesh/options',
      'mesh/topology',
      'mesh/trust'
    ]
  },
  {
    why: 'waits of the protocols in real time; the same sockets are in neighbouring suites',
    files: [
      'network-clock/measure',
      'provider-dnssd/conformance',
      'provider-dnssd/scale',
      'stun/nat-probe',
      'transport-holepunch/transport-conformance',
      'transport-turn/conformance'
    ]
  },
  {
    why: 'the test suites of the testkit against faulty subjects, and plans',
    files: [
      'testkit/certify',
      'testkit/mutants',
      'testkit/nat-lab-plan',
      'testkit/provider-mutants',
      'testkit/storage-engine',
      'testkit/transport-mutants'
    ]
  }
]

const shortName = (file) =>
  file
    .replace(/^(packages|examples)\//, '')
    .replace(/\/dist-test\//, '/')
    .replace(/\.spec\.js$/, '')

/** The suites without what is left out, and what of `leftOut` names no file any more. Pure. */
export function chooseSuites(suites, out = leftOut.flatMap(({ files }) => files)) {
  const isBelow = (name, entry) => name === entry || name.startsWith(`${entry}/`)
  const names = suites.flatMap(({ files }) => files.map(shortName))
  return {
    chosen: suites.map((suite) => ({
      ...suite,
      files: suite.files.filter((file) => !out.some((entry) => isBelow(shortName(file), entry)))
    })),
    unknown: out.filter((entry) => !names.some((name) => isBelow(name, entry)))
  }
}

/** The pinned versions, oldest first: `{ major, version, alias }`, alias being the package that has it for this platform. */
function pinnedNodes(platform = `${process.platform}-${process.arch}`) {
  const { optionalDependencies } = JSON.parse(readFileSync(join(root, 'tools', 'nodes', 'package.json'), 'utf8'))
  const nodes = Object.entries(optionalDependencies).flatMap(([alias, wanted]) => {
    const [, major, on] = /^node-(\d+)-(.+)$/.exec(alias)
    return on === platform ? [{ major, version: wanted.slice(wanted.lastIndexOf('@') + 1), alias }] : []
  })
  if (nodes.length === 0)
    throw new Error(`tools/nodes/package.json has no Node for ${platform}; this check runs on linux-x64 and linux-arm64`)
  return nodes.toSorted((a, b) => Number(a.major) - Number(b.major))
}

/** Installs the pinned versions, once, and gives back the programs: `{ major, version, node }`. */
export async function installNodes() {
  const installed = await sideInstall('nodes')
  const nodes = pinnedNodes().map(({ major, version, alias }) => ({
    major,
    version,
    node: join(installed, 'node_modules', alias, 'bin', 'node')
  }))
  for (const { version, node } of nodes) {
    const { code, text } = await run(node, ['--version'], { output: 'collect' })
    if (code !== 0 || text.trim() !== `v${version}`) throw new Error(`${node} should be Node ${version} and says: ${text.trim()}`)
  }
  return nodes
}
