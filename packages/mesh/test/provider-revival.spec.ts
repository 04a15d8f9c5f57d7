import { expect } from 'chai'
import type { ProviderFactory, ProviderMode } from '@kithmesh/core'
import { eventually, fastClock } from '@kithmesh/testkit'
import { memoryProvider } from '@kithmesh/testkit/memory'
import { World, converged, isUp, linkTo, linked } from './world.ts'

/** A provider that starts nothing while `broken`, and counts what it was asked for. */
function fragile(
  factory: ProviderFactory,
  name: string
): ProviderFactory & { broken: boolean; starts: Record<ProviderMode, number>; fail(): void } {
  const starts = { browse: 0, publish: 0 }
  const check = (mode: ProviderMode): void => {
    starts[mode]++
    if (made.broken) throw Object.assign(new Error('the broker is away'), { code: 'ECONNREFUSED' })
  }
  let fail = (): void => {}
  const made = {
    ...factory,
    name,
    broken: true,
    starts,
    fail: () => {
      fail()
    },
    create: (context: Parameters<ProviderFactory['create']>[0]) => {
      fail = () => {
        for (const mode of ['browse', 'publish'] as const) context.statusChanged(mode, { state: 'failed', error: new Error('it broke') })
      }
      const provider = factory.create(context)
      const start = provider.startBrowsing.bind(provider)
      const publish = provider.startPublishing.bind(provider)
      return Object.assign(provider, {
        startBrowsing: async () => {
          check('browse')
          await start()
        },
        startPublishing: async (options: Parameters<typeof publish>[0]) => {
          check('publish')
          await publish(options)
        }
      })
    }
  }
  return made
}

describe('a provider that fails', () => {
  const capabilities = { suppliesSocketFactory: false, incomingConnections: false }
  let world: World
  beforeEach(() => {
    world = new World()
  })
  afterEach(async () => {
    await world.end()
  })

  it('is started again until it works, beside one that works', async () => {
    const flaky = fragile(memoryProvider(world.medium, { host: '127.0.0.1', capabilities }), 'FLAKY')
    const other = new World()
    try {
      const lonely = memoryProvider(other.medium, { host: '127.0.0.1', capabilities })
      const [shop] = await world.started(['shop'], { providers: [lonely, flaky], clock: fastClock(50) })
      const [store] = await world.started(['store'])
      await eventually('several attempts', () => flaky.starts.browse > 3 && flaky.starts.publish > 3)
      expect(shop!.mesh.links).to.have.length(0)
      flaky.broken = false
      await linked([shop!, store!])
      const { browse, publish } = flaky.starts
      store!.database.collection().put('apples', {})
      await converged([shop!, store!], 1)
      expect(flaky.starts).to.deep.equal({ browse, publish })
    } finally {
      await other.end()
    }
  })

  it('is started again when it breaks while it runs', async () => {
    const flaky = fragile(memoryProvider(world.medium, { host: '127.0.0.1', capabilities }), 'FLAKY')
    flaky.broken = false
    const [shop] = await world.started(['shop'], { providers: [flaky], clock: fastClock(50) })
    flaky.fail()
    await eventually('both modes to be online again', () =>
      (['browse', 'publish'] as const).every((mode) => shop!.discovery.status('FLAKY', mode).state === 'online')
    )
    const [store] = await world.started(['store'])
    await linked([shop!, store!])
    expect(isUp(linkTo(shop!, store!))).to.equal(true)
  })

  it('is left alone once the mesh has stopped', async () => {
    const flaky = fragile(memoryProvider(world.medium, { host: '127.0.0.1', capabilities }), 'FLAKY')
    flaky.broken = false
    const clock = fastClock(50)
    const [shop] = await world.started(['shop'], { providers: [flaky], clock })
    flaky.broken = true
    flaky.fail()
    await eventually('an attempt', () => flaky.starts.browse > 1)
    await shop!.mesh.stop()
    const { browse } = flaky.starts
    await clock.sleep(5_000)
    expect(flaky.starts.browse).to.equal(browse)
  })
})
