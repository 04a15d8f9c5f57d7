import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sharedFolder } from '@kithmesh-examples/custom-provider'
import type { ProviderHarness } from '@kithmesh/testkit'

/** What `kithmesh certify` and the tests run the conformance suite on. */
export const providers: Readonly<Record<string, ProviderHarness>> = {
  'shared-folder': {
    factory: sharedFolder({ directory: tmpdir() }),
    settleMs: 5000,
    async create() {
      const directory = await mkdtemp(join(tmpdir(), 'shared-folder-'))
      return {
        factoryFor: () => sharedFolder({ directory, intervalMs: 20, expiresMs: 2000 }),
        async [Symbol.asyncDispose]() {
          await rm(directory, { recursive: true, force: true })
        }
      }
    }
  }
}
