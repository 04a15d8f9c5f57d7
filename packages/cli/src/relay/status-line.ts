import type { RelayStatus } from '@kithmesh/relay'
import { counted } from '../counted.ts'

/** What a relay does, in one line. */
export function statusLine({ broker, stun, turn }: RelayStatus): string {
  const refused = broker.refused + Object.values(turn.refused).reduce((sum, each) => sum + each, 0)
  return [
    counted(broker.clients, 'client'),
    counted(turn.allocations, 'allocation'),
    ...(turn.connections > 0 ? [counted(turn.connections, 'connection')] : []),
    `${bytes(turn.relayedBytes)} relayed`,
    counted(stun.answers, 'STUN answer'),
    ...(refused > 0 ? [`${refused} refused`] : [])
  ].join(', ')
}

function bytes(n: number): string {
  if (n < 1_000) return `${n} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = n / 1_000
  while (value >= 1_000 && units.length > 1) {
    value /= 1_000
    units.shift()
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[0]}`
}
