// node tests/e2e/doctor/run.mjs: `kithmesh doctor` where something is wrong: behind NATs and firewalls, beside avahi, with servers that refuse.
// Needs root, the packages nftables, iproute2, conntrack, mosquitto, coturn, dbus and avahi, and a built checkout. All of it happens in network
// namespaces; nothing touches the machine's own network.
import { missingPrerequisites } from '../../interop/dnssd-avahi/namespaces.mjs'
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingPrerequisites() })
