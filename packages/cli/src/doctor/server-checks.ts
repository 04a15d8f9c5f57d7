import type { networkInterfaces } from 'node:os'
import { silentLogger, systemClock } from '@kithmesh/core'
import type { Io } from '../io.ts'
import { type WideAreaOptions, checkGroupKey, checkWideArea, namedBrokers, namedRelays, understood } from '../wide-area.ts'
import type { Check } from './checks.ts'
import { probeStunServer } from './evidence/stun-server.ts'
import { failed } from './finding.ts'
import { judgeNat } from './nat.ts'
import { judgeBroker, judgeStunServer, judgeTurnServer } from './servers.ts'
import { judgeTime, judgeTimeFailure } from './time.ts'

const NAT_MS = 2_000
const SERVER_MS = 5_000
/** What a check may take beyond what it asks for, to give everything back. */
const SLACK_MS = 500

export interface ServerCheckOptions extends WideAreaOptions {
  /** The ways out that count; all without. */
  readonly interface?: readonly string[]
  readonly group?: string
}

/**
 * What the servers that were named can do for this machine; nobody else is asked. The NAT is measured before anybody else is, as other flows disturb that.
 * @throws ERR_CLI_USAGE for options that cannot be understood; ERR_CLI_FILE
 */
export async function serverChecks(
  options: ServerCheckOptions,
  { io, interfaces }: { readonly io: Io; readonly interfaces: ReturnType<typeof networkInterfaces> }
): Promise<Check[]> {
  const { stun = [], ntp = [] } = options
  checkWideArea(options)
  await checkGroupKey(options)
  const brokers = await namedBrokers(options)
  const relays = await namedRelays(options, io)
  const nat =
    stun.length === 0 ? undefined : await natCheck(stun, { relay: relays.length > 0, interfaces: chosen(interfaces, options.interface) })
  const after = nat === undefined ? {} : { after: nat }
  const limit = { deadlineMs: SERVER_MS + SLACK_MS, ...after }
  const clock = systemClock
  const checks: Check[] = nat === undefined ? [] : [nat]
  for (const server of stun)
    checks.push({
      ...limit,
      name: `stun ${server}`,
      run: async (signal) => [judgeStunServer(await probeStunServer(server, { clock, signal, deadlineMs: SERVER_MS - SLACK_MS }))]
    })
  if (ntp.length > 0) {
    const { NetworkClock, measureNetworkTime } = await import('@kithmesh/network-clock')
    understood('--ntp', () => new NetworkClock({ servers: ntp }))
    checks.push({
      ...limit,
      name: 'clock skew',
      run: async (signal) => {
        try {
          return judgeTime(await measureNetworkTime({ servers: ntp, deadlineMs: SERVER_MS - SLACK_MS, clock, signal }))
        } catch (error) {
          return judgeTimeFailure(error)
        }
      }
    })
  }
  if (brokers.length > 0) {
    const { mqtt, probeBroker } = await import('@kithmesh/provider-mqtt')
    const { createIdentity } = await import('@kithmesh/identity')
    const identity = await createIdentity({ commonName: 'kithmesh doctor' })
    understood('--broker', () => mqtt({ brokers, identity }))
    const group = options.group === undefined ? {} : { peerGroupId: options.group }
    for (const broker of brokers)
      checks.push({
        ...limit,
        name: 'broker',
        run: async (signal) => [judgeBroker(await probeBroker(broker, { timeoutMs: SERVER_MS - SLACK_MS, clock, signal, ...group }))]
      })
  }
  if (relays.length > 0) {
    const { probeTurnServer, turn } = await import('@kithmesh/transport-turn')
    understood('--turn', () => turn({ servers: relays }))
    for (const relay of relays)
      checks.push({
        ...limit,
        name: `turn ${relay.url}`,
        run: async (signal) => [
          judgeTurnServer(relay.url, await probeTurnServer(relay, { timeoutMs: SERVER_MS - SLACK_MS, clock, signal }))
        ]
      })
  }
  return checks
}

async function natCheck(
  servers: readonly string[],
  { relay, interfaces }: { readonly relay: boolean; readonly interfaces: ReturnType<typeof networkInterfaces> }
): Promise<Check> {
  const { natProbe } = await import('@kithmesh/stun')
  const factory = understood('--stun', () => natProbe({ servers, deadlineMs: NAT_MS, networkInterfaces: () => interfaces }))
  const names = new Map(Object.entries(interfaces).flatMap(([name, infos = []]) => infos.map(({ address }) => [address, name] as const)))
  return {
    name: 'nat',
    deadlineMs: NAT_MS + SLACK_MS,
    run: async (signal) => {
      const probe = factory.create({ logger: silentLogger, clock: systemClock })
      try {
        return judgeNat(await probe.measure({ signal }), { relay, names })
      } catch (error) {
        return [failed('nat', error)]
      } finally {
        await probe.shutdown()
      }
    }
  }
}

function chosen(
  interfaces: ReturnType<typeof networkInterfaces>,
  names: readonly string[] | undefined
): ReturnType<typeof networkInterfaces> {
  if (names === undefined) return interfaces
  return Object.fromEntries(
    Object.entries(interfaces).map(([name, infos = []]) => [
      name,
      infos.filter(({ address }) => names.includes(name) || names.includes(address))
    ])
  )
}
