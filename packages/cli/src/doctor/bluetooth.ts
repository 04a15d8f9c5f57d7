import type { BluetoothOfMachine } from '@kithmesh/provider-ble'
import { type Finding, ok, problem, warning } from './finding.ts'

/** Bluetooth LE. What is missing is a problem for those only who want it. @param wanted `--ble` was given */
export function examineBluetooth(found: BluetoothOfMachine, wanted: boolean): Finding {
  const check = 'bluetooth'
  const lacks = (message: string, hint: string): Finding => (wanted ? problem(check, message, hint) : ok(check, `not usable: ${message}`))
  const { libraries, adapters, blocked, mayUse } = found
  if (libraries.length === 0)
    return lacks(
      'no library is installed',
      'Install @abandonware/noble and @abandonware/bleno, or @stoprocent/noble and @stoprocent/bleno.'
    )
  const library = `with ${libraries.join(' and ')}`
  if (adapters === undefined) return ok(check, `${library}; the system decides whether this program may use it`)
  if (adapters.length === 0) return lacks('this machine has no adapter', 'Plug one in; "btmgmt info" lists those that the kernel knows.')
  const free = adapters.filter((name) => !blocked.includes(name))
  if (free.length === 0)
    return lacks(`${blocked.join(', ')} is switched off`, '"rfkill list" shows the switch, "rfkill unblock bluetooth" turns it.')
  if (mayUse?.own === true) return ok(check, `${free.join(', ')} ${library}`)
  const grant = 'Run as root, or give Node the capability: setcap cap_net_admin,cap_net_raw+eip on a copy of it.'
  if (mayUse?.shared !== true) return lacks(`this program may not use ${free.join(', ')}`, grant)
  const message = `${free.join(', ')} ${library}, shared with the system only: slower, and not with everybody`
  return wanted ? warning(check, message, grant) : ok(check, message)
}
