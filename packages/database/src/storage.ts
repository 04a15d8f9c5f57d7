export type * from './contracts/storage.ts'
