// node tests/e2e/mesh/run.mjs: groups of real processes, on the loopback interface and in network namespaces: what a mesh is to come to, in the
// face of partitions, kills, and members that mean harm. Needs a built checkout; the namespaces need root and the package iproute2.
import { runFolder } from '../../support/run-folder.mjs'

await runFolder(import.meta.url)
