// node tests/interop/dnssd-avahi/run.mjs: runs this folder's suite and exits with 1 when anything failed or is missing. Needs root and a built checkout.
import { runFolder } from '../../support/run-folder.mjs'
import { missingPrerequisites } from './namespaces.mjs'

await runFolder(import.meta.url, { missing: missingPrerequisites() })
