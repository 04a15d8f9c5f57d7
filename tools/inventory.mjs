// `npm run inventory`: installs and builds when that is needed, then runs the example of an inventory on three devices, each with a page of its own.
import { startExample } from './lib/start-example.mjs'

await startExample('inventory')
