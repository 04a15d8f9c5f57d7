import { crashWriter } from '@kithmesh/testkit/storage-engine'
import { sqliteEngine } from '@kithmesh/database'

crashWriter(sqliteEngine(), process.argv[2] as string)
