// The scenarios at sizes that CI can afford; `npm run sim -- scenario NAME --peers 200` plays any of them larger.
import { scenarios } from './lib/scenarios.mjs'

const sizes = {
  'documents of one': { peers: 200, documents: 20 },
  'documents of all': { peers: 50, documents: 10 },
  'rapid availability': { peers: 20 },
  'scalable conflict resolution': { peers: 50 },
  partition: { peers: 45, documents: 60 },
  'divided network': { peers: 30, documents: 5 },
  'dynamic membership': { peers: 40, documents: 10 },
  'large documents': { peers: 20, documents: 10, blobBytes: 512 * 1024 },
  soak: { peers: 8, documents: 200, hours: 6 },
  volume: { peers: 20, documents: 1500 },
  'end to end': { peers: 12 }
}

describe('a mesh in virtual time', () => {
  for (const [name, options] of Object.entries(sizes)) {
    it(`${name}: ${Object.entries(options)
      .map(([key, value]) => `${value} ${key}`)
      .join(', ')}`, async () => {
      await scenarios[name]({ seed: 1, ...options })
    })
  }

  for (const versioning of ['rev-trees', 'version-vectors'])
    it(`resolves conflicts of 10 peers in ${versioning}`, async () => {
      await scenarios['scalable conflict resolution']({ seed: 2, peers: 10, versioning })
    })
})
