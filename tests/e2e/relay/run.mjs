// node tests/e2e/relay/run.mjs: `kithmesh sync` across NATs with nothing but one `kithmesh relay` in between, in the NAT lab's network namespaces.
// Needs root, the packages nftables, iproute2, conntrack and openssl, and a built checkout. Nothing of it touches the machine's own network.
import { missingRoot, runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingRoot() })
