// `npm start`: installs and builds when that is needed, then runs the example of a warehouse and a shop that keep an inventory in sync.
// Everything before the example speaks on standard error, so `--json` leaves standard output to the example alone.
import { startExample } from './lib/start-example.mjs'

await startExample('warehouse-and-shop')
