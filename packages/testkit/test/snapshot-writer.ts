import { crashWriter } from '@kithmesh/testkit/storage-engine'
import { snapshotEngine } from './store-engines.ts'

crashWriter(snapshotEngine, process.argv[2] as string)
