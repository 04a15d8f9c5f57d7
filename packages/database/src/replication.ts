export type * from './contracts/replication.ts'
