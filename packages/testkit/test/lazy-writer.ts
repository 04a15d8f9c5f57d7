import { crashWriter } from '@kithmesh/testkit/storage-engine'
import { writesLater } from './mutants/engines.ts'

crashWriter(writesLater, process.argv[2] as string)
