import { randomBytes } from 'node:crypto'
import type { Command } from 'commander'
import { createPeerDiscovery, silentLogger, systemClock } from '@kithmesh/core'
import { dnssd } from '@kithmesh/provider-dnssd'
import { type Io, jsonLine, line } from '../io.ts'
import { printable } from '../printable.ts'
import { parseCount, repeat } from '../options.ts'

export function peersCommand(parent: Command, io: Io): void {
  parent
    .command('peers')
    .description('list who is on the network')
    .requiredOption('--group <id>', 'the peer group, as given to "sync"')
    .option('--interface <name>', 'network interface or address to use; repeatable, default all', repeat(String))
    .option('--seconds <n>', 'how long to look', parseCount(1), 3)
    .option('--json', 'print one JSON line per device')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh peers --group my-app
  kithmesh peers --group my-app --seconds 10 --json`
    )
    .action(async (options: { group: string; interface?: string[]; seconds: number; json?: true }) => {
      const discovery = createPeerDiscovery({
        peerGroupId: options.group,
        localPeerId: randomBytes(32).toString('hex'),
        providers: [dnssd(options.interface === undefined ? {} : { interfaces: options.interface })],
        logger: silentLogger
      })
      try {
        await discovery.startBrowsing()
        await systemClock.sleep(options.seconds * 1000, { signal: io.signal }).catch(() => {
          /* Ctrl-C: list what is known */
        })
        for (const device of discovery.devices) {
          const places = await Promise.all(
            device.peers.map(async (peer) => {
              const resolved = await peer.resolveUrl({ signal: AbortSignal.timeout(2000) }).catch(() => undefined)
              return { provider: peer.provider, service: peer.id, url: resolved?.url, addresses: resolved?.addresses ?? [] }
            })
          )
          if (options.json) jsonLine(io, { id: device.id, name: device.displayName, seen: places })
          else
            line(
              io,
              `${printable(device.displayName)}\t${device.id}\t${places.map((place) => `${place.provider} ${place.url ?? '(unresolved)'} ${place.addresses.join(' ')}`.trim()).join('; ')}`
            )
        }
        if (discovery.devices.length === 0 && !options.json)
          io.stderr.write(`nobody of group ${options.group} was found in ${options.seconds} s\n`)
      } finally {
        await discovery.shutdown()
      }
    })
}
