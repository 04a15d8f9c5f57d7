// One peer in a process of its own, driven by messages of its parent: { id, call, args } is answered by { id, value } or { id, error };
// what the provider reports is sent as { event }. Arguments: options of dnssd() and { peerGroupId, localPeerId }, as JSON.
import { silentLogger, systemClock } from '@kithmesh/core'
import { dnssd } from '@kithmesh/provider-dnssd'

const [options, identity] = process.argv.slice(2).map((text) => JSON.parse(text))
const textMap = (metadata) => Object.fromEntries([...(metadata ?? [])].map(([key, value]) => [key, Buffer.from(value).toString()]))
const bytesMap = (entries) => new Map(Object.entries(entries).map(([key, value]) => [key, Buffer.from(value)]))
const tell = (event) => process.send({ event })

const provider = dnssd(options).create({
  ...identity,
  logger: silentLogger,
  clock: systemClock,
  statusChanged: (mode, { state, error }) => tell({ type: 'status', mode, state, error: error?.message }),
  peersFound: (peers) => {
    for (const { id, displayName, metadata } of peers) tell({ type: 'found', id, displayName, metadata: textMap(metadata) })
  },
  peersLost: (ids) => {
    for (const id of ids) tell({ type: 'lost', id })
  },
  metadataChanged: (id, metadata) => tell({ type: 'metadata', id, metadata: textMap(metadata) }),
  incomingConnection: () => false
})

const calls = {
  startBrowsing: () => provider.startBrowsing(),
  stopBrowsing: () => provider.stopBrowsing(),
  startPublishing: (displayName, port, metadata) => provider.startPublishing({ displayName, port, metadata: bytesMap(metadata) }),
  stopPublishing: () => provider.stopPublishing(),
  updateMetadata: (metadata) => provider.updateMetadata(bytesMap(metadata)),
  resolveUrl: (id) => provider.resolveUrl(id, { signal: AbortSignal.timeout(8000) })
}

process.on('message', async ({ id, call, args }) => {
  try {
    process.send({ id, value: await calls[call](...args) })
  } catch (error) {
    process.send({ id, error: error.message })
  }
})
process.on('SIGTERM', async () => {
  await provider.shutdown()
  process.exit()
})
process.on('disconnect', () => process.exit())
tell({ type: 'ready' })
