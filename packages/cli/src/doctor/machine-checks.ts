import type { networkInterfaces } from 'node:os'
import { examineBluetooth } from './bluetooth.ts'
import type { Check } from './checks.ts'
import { firewallEvidence } from './evidence/firewall.ts'
import { mdnsPortEvidence } from './evidence/mdns-port.ts'
import { surroundings } from './evidence/surroundings.ts'
import { judgeFirewall } from './firewall.ts'
import { ipv6Evidence, judgeIpv6 } from './ipv6.ts'
import { judgeMdnsPort } from './mdns-port.ts'
import { examineInterfaces, judgeMulticast } from './network.ts'
import { judgeSurroundings } from './surroundings.ts'

export interface MachineCheckOptions {
  readonly interface?: readonly string[]
  /** Send multicast. */
  readonly network?: true
  readonly ble?: true
}

/** What this machine can do by itself. Nothing leaves it but the multicasts of `--network`. */
export function machineChecks(options: MachineCheckOptions, interfaces: ReturnType<typeof networkInterfaces>): Check[] {
  const port: Check = { name: 'dns-sd port', deadlineMs: 4_000, run: async (signal) => [judgeMdnsPort(await mdnsPortEvidence(signal))] }
  const multicast: Check = {
    name: 'multicast',
    deadlineMs: 6_000,
    // It opens the port itself, which is not to be counted as another program.
    after: port,
    run: async (signal) => {
      const { checkMulticast } = await import('@kithmesh/provider-dnssd')
      const choice = options.interface === undefined ? {} : { interfaces: options.interface }
      return judgeMulticast(await checkMulticast({ ...choice, signal }))
    }
  }
  return [
    { name: 'network', deadlineMs: 2_000, run: async () => examineInterfaces(interfaces, options.interface) },
    { name: 'surroundings', deadlineMs: 2_000, run: async () => judgeSurroundings(surroundings(interfaces)) },
    { name: 'ipv6', deadlineMs: 2_000, run: async () => [judgeIpv6(ipv6Evidence(interfaces))] },
    { name: 'firewall', deadlineMs: 5_000, run: async (signal) => [judgeFirewall(await firewallEvidence(signal))] },
    port,
    ...(options.network === true ? [multicast] : []),
    {
      name: 'bluetooth',
      deadlineMs: 4_000,
      run: async () => {
        const { bluetoothOfMachine } = await import('@kithmesh/provider-ble')
        return [examineBluetooth(bluetoothOfMachine(), options.ble === true)]
      }
    }
  ]
}
