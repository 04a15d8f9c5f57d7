import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import type { PeerDiscoveryProvider } from '@kithmesh/core/plugin'
import { sharedFolder } from '@kithmesh-examples/custom-provider'
import { eventually, type RecordingContext, recordingContext, rejection } from '@kithmesh/testkit'

const options = { displayName: 'Shop', port: 4984, metadata: new Map<string, Uint8Array>() }

describe('shared-folder', () => {
  let directory: string
  const machines: PeerDiscoveryProvider[] = []
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shared-folder-'))
  })
  afterEach(async () => {
    await Promise.all(machines.splice(0).map((machine) => machine.shutdown()))
    await rm(directory, { recursive: true, force: true })
  })

  function machine(digit: string, folder = directory): { readonly context: RecordingContext; readonly provider: PeerDiscoveryProvider } {
    const context = recordingContext({ peerGroupId: 'com.example.shop', localPeerId: digit.repeat(64) })
    const provider = sharedFolder({ directory: folder, intervalMs: 20, expiresMs: 200 }).create(context)
    machines.push(provider)
    return { context, provider }
  }

  it('takes what is published while the former publication ends', async () => {
    const shop = machine('a')
    const other = machine('b')
    await shop.provider.startPublishing(options)
    await Promise.all([shop.provider.stopPublishing(), shop.provider.startPublishing({ ...options, displayName: 'New shop' })])
    await other.provider.startBrowsing()
    await eventually('the new one to be found', () => other.context.namesSeen.has('New shop'))
  })

  it('forgets a device whose process was killed', async () => {
    const shop = machine('a')
    await shop.provider.startPublishing(options)
    const [group] = await readdir(directory)
    const file = join(directory, group as string, `${'a'.repeat(64)}.json`)
    const left = await readFile(file)
    await shop.provider.stopPublishing()
    await writeFile(file, left)
    const other = machine('b')
    await other.provider.startBrowsing()
    await eventually('the record left behind to be found', () => other.context.namesSeen.has('Shop'))
    await eventually('the device to be lost', () => other.context.peers.size === 0)
  })

  it('does not mind what else is in the folder', async () => {
    const shop = machine('a')
    await shop.provider.startPublishing(options)
    const [group] = await readdir(directory)
    const put = (name: string, text: string): Promise<void> => writeFile(join(directory, group as string, name), text)
    await put(`${'c'.repeat(64)}.json`, 'not JSON')
    await put(`${'d'.repeat(64)}.json`, ' '.repeat(100_000))
    await put('notes.txt', 'hello')
    const other = machine('b')
    await other.provider.startBrowsing()
    await eventually('the shop to be found', () => other.context.peers.size === 1)
    assert.deepEqual([...other.context.namesSeen], ['Shop'])
  })

  it('says that the folder cannot be used, and works once it can', async () => {
    const file = join(directory, 'here')
    await writeFile(file, 'a file where the folder should be')
    const { context, provider } = machine('a', file)
    const error = await rejection(provider.startBrowsing())
    assert.equal((error as { code?: unknown }).code, 'ERR_SHARED_FOLDER_ACCESS')
    assert.equal(context.status('browse'), 'failed')
    await rm(file)
    await provider.stopBrowsing()
    await provider.startBrowsing()
    assert.equal(context.status('browse'), 'online')
  })

  it('reports a folder that vanishes while it is used', async () => {
    const { context, provider } = machine('a')
    await provider.startBrowsing()
    await rm(directory, { recursive: true })
    await eventually('the failure to be reported', () => context.status('browse') === 'failed')
  })
})
