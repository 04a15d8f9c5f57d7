import { silentLogger } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import { expect } from 'chai'
import { backendOf, type BackendParts } from '../dist/backend/backend.js'

/** Parts that write down what is asked of them, and do what the test says. */
function fakeParts() {
  const calls: string[] = []
  const failing = new Map<string, Error>()
  const waiting = new Map<string, Promise<void>>()
  let adapterLost: ((error: Error) => void) | undefined
  let centralLost: ((error: Error) => void) | undefined
  let publisherGone: ((error: Error) => void) | undefined
  const step = async (name: string): Promise<void> => {
    calls.push(name)
    await waiting.get(name)
    const error = failing.get(name)
    if (error !== undefined) throw error
  }
  const unused = async (): Promise<never> => {
    throw new Error('not used here')
  }
  const parts: BackendParts = {
    description: () => 'fake on fake',
    capabilities: { publishes: true, l2cap: true },
    logger: silentLogger,
    adapter: {
      start: () => step('adapter start'),
      stop: () => step('adapter stop'),
      onLost: (listener) => {
        adapterLost = listener
        return () => {
          adapterLost = undefined
        }
      }
    },
    central: {
      start: async (lost) => {
        centralLost = lost
        await step('central start')
      },
      stop: () => step('central stop'),
      startScan: unused,
      stopScan: unused,
      read: unused,
      watch: unused,
      openStream: unused
    },
    publisher: (usable, gone) => {
      publisherGone = gone
      return {
        publish: async () => {
          usable()
        },
        updateMetadata: unused,
        unpublish: async () => {},
        stop: () => step('publisher stop')
      }
    }
  }
  return {
    parts,
    calls,
    failing,
    waiting,
    loseAdapter: (error: Error) => adapterLost?.(error),
    loseCentral: (error: Error) => centralLost?.(error),
    losePublisher: (error: Error) => publisherGone?.(error),
    get watched() {
      return adapterLost !== undefined
    }
  }
}

const started = ['adapter start', 'central start']
const stopped = ['publisher stop', 'central stop', 'adapter stop']
const noPublication = { serviceUuid: '', displayName: '', metadata: Buffer.alloc(0), onStream: () => {} }

describe('a Bluetooth backend', () => {
  it('starts from below and stops from above, as often as asked', async () => {
    const fake = fakeParts()
    const backend = backendOf(fake.parts)
    await backend.stop()
    expect(fake.calls).to.deep.equal([])
    for (let round = 0; round < 3; round++) {
      await Promise.all([backend.start(() => {}), backend.start(() => {})])
      await backend.publisher?.publish(noPublication)
      await Promise.all([backend.stop(), backend.stop()])
      expect(fake.calls.splice(0)).to.deep.equal([...started, ...stopped])
      expect(fake.watched).to.equal(false)
    }
    expect(await errorOf(backend.publisher!.publish(noPublication))).to.have.property('code', 'ERR_BLE_SHUT_DOWN')
  })

  for (const part of ['Adapter', 'Central', 'Publisher'] as const) {
    it(`ends everything and tells once when it is lost (${part.toLowerCase()}), and starts again`, async () => {
      const fake = fakeParts()
      const backend = backendOf(fake.parts)
      const told: [Error, string[]][] = []
      const lost = (error: Error): void => {
        told.push([error, [...fake.calls]])
      }
      await backend.start(lost)
      const reason = new Error('unplugged')
      fake[`lose${part}`](reason)
      fake.loseCentral(new Error('another'))
      fake.losePublisher(new Error('another'))
      await eventually('the loss to be told', () => told.length > 0)
      expect(told).to.deep.equal([[reason, [...started, ...stopped]]])
      await backend.start(lost)
      expect(fake.calls.slice(5)).to.deep.equal(started)
      await backend.stop()
      expect(told).to.have.length(1)
    })
  }

  for (const step of started) {
    it(`gives everything back when the ${step} fails`, async () => {
      const fake = fakeParts()
      const reason = new Error('no')
      fake.failing.set(step, reason)
      const backend = backendOf(fake.parts)
      expect(await errorOf(backend.start(() => {}))).to.equal(reason)
      expect(fake.calls.slice(-3)).to.deep.equal(stopped)
      fake.failing.clear()
      await backend.start(() => {})
      await backend.stop()
    })

    it(`rejects when it is lost during the ${step}, and does not go on`, async () => {
      const fake = fakeParts()
      let resume = (): void => {}
      fake.waiting.set(step, new Promise((resolve) => (resume = resolve)))
      const backend = backendOf(fake.parts)
      let told = 0
      const starting = errorOf(backend.start(() => told++))
      await eventually(step, () => fake.calls.includes(step))
      const reason = new Error('unplugged')
      fake.loseAdapter(reason)
      expect(await starting).to.equal(reason)
      resume()
      await backend.stop()
      expect(fake.calls).to.deep.equal([...started.slice(0, started.indexOf(step) + 1), ...stopped])
      expect(told).to.equal(0)
    })

    it(`is stopped during the ${step}`, async () => {
      const fake = fakeParts()
      let resume = (): void => {}
      fake.waiting.set(step, new Promise((resolve) => (resume = resolve)))
      const backend = backendOf(fake.parts)
      const starting = errorOf(backend.start(() => {}))
      await eventually(step, () => fake.calls.includes(step))
      await backend.stop()
      expect(await starting).to.have.property('code', 'ERR_BLE_SHUT_DOWN')
      resume()
      expect(fake.calls.slice(-3)).to.deep.equal(stopped)
    })
  }

  it('gives the rest back when something does not end properly, and tells nobody who has stopped it', async () => {
    const fake = fakeParts()
    fake.failing.set('publisher stop', new Error('no')).set('central stop', new Error('no'))
    const backend = backendOf(fake.parts)
    let told = 0
    await backend.start(() => told++)
    fake.loseAdapter(new Error('unplugged'))
    await backend.stop()
    expect(fake.calls).to.deep.equal([...started, ...stopped])
    await new Promise((resolve) => setImmediate(resolve))
    expect(told).to.equal(0)
  })
})

function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error
  )
}
