import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createCertificateAuthority, identityToPem, loadIdentity, openOrCreateIdentity } from '@kithmesh/identity'
import type { Identity } from '@kithmesh/identity'
import { errorCode } from '@kithmesh/core'
import { altNamesOf } from '../peer/host-name.ts'

export interface DeviceFolder {
  readonly name: string
  readonly directory: string
}

/**
 * Gives devices that are started for the first time a certificate of one authority, and tells all of them to trust it, so that every check of
 * certificates can be tried. In a company somebody does this when a device is handed out; the authority's key is not needed afterwards.
 */
export async function prepareDevices(authorityFolder: string, devices: readonly DeviceFolder[]): Promise<void> {
  const authority = await openOrCreateAuthority(authorityFolder)
  for (const { name, directory } of devices) {
    await openOrCreateIdentity(directory, { commonName: name, altNames: altNamesOf(name), issuer: authority })
    await mkdir(join(directory, 'authorities'), { recursive: true })
    await writeFile(join(directory, 'authorities', 'inventory.pem'), authority.certificatePem)
  }
}

async function openOrCreateAuthority(folder: string): Promise<Identity> {
  const path = join(folder, 'authority.pem')
  try {
    return await loadIdentity({ pem: await readFile(path) })
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
  }
  const authority = await createCertificateAuthority({ commonName: 'Inventory authority', validDays: 3650 })
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await writeFile(path, identityToPem(authority), { mode: 0o600 })
  return authority
}
