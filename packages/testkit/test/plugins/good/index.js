export { MemoryMedium, memoryMessageSocketFactory, memoryProvider, memoryTransport } from '@kithmesh/testkit/memory'
