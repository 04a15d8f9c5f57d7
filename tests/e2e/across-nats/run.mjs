// node tests/e2e/across-nats/run.mjs: `kithmesh sync` across NATs, in the NAT lab's network namespaces with mosquitto and coturn.
// Needs root, the packages nftables, iproute2, conntrack, mosquitto and coturn, and a built checkout. Nothing of it touches the machine's own network.
import { missingRoot, runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingRoot() })
