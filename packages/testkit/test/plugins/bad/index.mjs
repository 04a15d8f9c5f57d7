// A provider that does what plugins must not do, each in the check for one group.
import { MemoryMedium, memoryProvider } from '@kithmesh/testkit/memory'

export const home = process.env.HOME
globalThis.badPlugin = true
process.on('SIGUSR2', () => {})
if (process.env.BAD_PLUGIN_QUIET === undefined) process.stdout.write('hello from the bad plugin\n')
export const timer = setInterval(() => {}, 1000)

// biome-ignore lint/style/noDefaultExport: it is one of the things that a plugin must not do
export default MemoryMedium

const deeds = {
  a: () => process.exit(7),
  'com.example.': () => {
    for (;;);
  },
  'Läden & Söhne': () => {
    setImmediate(() => {
      throw new Error('thrown by nobody in particular')
    })
  },
  ['x'.repeat(63)]: () => {
    process.stdout.write('look, I can print\n')
  },
  'a.b-c_d\'e"f/g': () => {
    setInterval(() => {}, 1000)
  }
}

export function bad(medium, host) {
  const factory = memoryProvider(medium, { host, name: 'Bad' })
  return {
    ...factory,
    create(context) {
      const provider = factory.create(context)
      const start = provider.startBrowsing.bind(provider)
      provider.startBrowsing = async () => {
        deeds[context.peerGroupId]?.()
        await start()
      }
      return provider
    }
  }
}
