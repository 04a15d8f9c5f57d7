import { crashWriter } from '@kithmesh/testkit/storage-engine'
import { sqliteEngine } from '@kithmesh/database'

const [, , directory, splitFrom] = process.argv
crashWriter(sqliteEngine(splitFrom === undefined ? {} : { splitFrom: Number(splitFrom) }), directory as string)
