// A device in a process of its own, to be killed: node device-process.mjs URL NAME.
import { createDevice } from './device.mjs'

const [url, name] = process.argv.slice(2)
const device = await createDevice({ brokers: [url] })
await device.online(name)
process.send({ peerId: device.peerId })
process.on('disconnect', () => process.exit(0))
