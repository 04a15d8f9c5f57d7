import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { expect } from 'chai'
import type { PeerDiscoveryProvider } from '@kithmesh/core'
import { eventually, recordingContext } from '@kithmesh/testkit'
import { dnssd } from '@kithmesh/provider-dnssd'
import { nextPort } from './support/ports.ts'

const services = 1000
const peerGroupId = 'com.example.crowd'

interface BrowseProcess {
  readonly child: ChildProcess
  peers: number
}

describe('a thousand services on one link', () => {
  let children: BrowseProcess[] = []
  let providers: PeerDiscoveryProvider[] = []
  afterEach(async () => {
    await Promise.all(providers.map((provider) => provider.shutdown()))
    await Promise.all(
      children.map(async ({ child }) => {
        if (child.exitCode !== null) return
        const exit = once(child, 'exit')
        child.disconnect()
        await exit
      })
    )
    children = []
    providers = []
  })

  const browse = async (port: number): Promise<BrowseProcess> => {
    const child = fork(new URL('./support/browse-process.js', import.meta.url), [String(port), peerGroupId])
    const made: BrowseProcess = { child, peers: 0 }
    children.push(made)
    child.on('message', (message: { peers: number }) => {
      made.peers = message.peers
    })
    await once(child, 'message')
    return made
  }
  const sees = (browser: BrowseProcess, count: number): Promise<unknown> =>
    eventually(`${count} peers`, () => browser.peers === count, { everyMs: 20, withinMs: 120_000 })

  for (const factories of [1, 10]) {
    it(`are all found by early and late browsers in other processes, and all goodbyes are seen (on ${factories} sets of sockets)`, async () => {
      const port = nextPort()
      const early = await browse(port)
      const all = Array.from({ length: factories }, () => dnssd({ interfaces: ['127.0.0.1'], port }))
      providers = Array.from({ length: services }, (_, index) =>
        all[index % factories]!.create(
          recordingContext({
            peerGroupId,
            localPeerId: createHash('sha256').update(String(index)).digest('hex')
          })
        )
      )
      await Promise.all(
        providers.map((provider, index) =>
          provider.startPublishing({
            displayName: `Service ${index}`,
            port: 1000 + index,
            metadata: new Map([['_DID', Buffer.from(`device ${index} 0123456789abcdef`)]])
          })
        )
      )
      await sees(early, services)
      const late = await browse(port)
      await sees(late, services)
      await Promise.all(providers.map((provider) => provider.stopPublishing()))
      await sees(early, 0)
      await sees(late, 0)
      expect(children.length).to.equal(2)
    }).timeout(600_000)
  }
})
