// node tests/e2e/two-hosts/run.mjs: `kithmesh` on two hosts, which are network namespaces joined by a cable of their own.
// Needs root, the package iproute2 and a built checkout. Nothing of it touches the machine's own network.
import { missingRoot, runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url, { missing: missingRoot() })
