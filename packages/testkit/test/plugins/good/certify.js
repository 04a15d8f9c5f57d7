import { MemoryMedium, memoryProvider, memoryTransport } from './index.js'

const capabilities = { metadataUpdates: false }

export const providers = {
  good: {
    factory: memoryProvider(new MemoryMedium(), { capabilities }),
    settleMs: 5000,
    async create() {
      const medium = new MemoryMedium()
      return {
        factoryFor: (host) => memoryProvider(medium, { host, capabilities }),
        async [Symbol.asyncDispose]() {}
      }
    }
  }
}

export const transports = {
  'good road': {
    factory: memoryTransport(new MemoryMedium()),
    settleMs: 5000,
    async create() {
      const medium = new MemoryMedium()
      return {
        factoryFor: (host) => memoryTransport(medium, { host }),
        resolved: (listener, host) => ({ url: `memory://${host}:${listener.port}/`, addresses: [] }),
        unreachable: () => ({ url: 'memory://b:1/', addresses: [] }),
        unusable: () => ({ url: 'carrier-pigeon://b/', addresses: [] }),
        async [Symbol.asyncDispose]() {}
      }
    }
  }
}

const server = setInterval(() => {}, 1000)

export function dispose() {
  clearInterval(server)
}
