/** What a dashboard has counted since it was started, beside what the mesh counts itself. */
export class Counters {
  connected = 0
  connectionsFailed = 0
  documentsFailed = 0
  conflictsUndecided = 0
  refusedByUs = 0
  refusedByThem = 0
  providerFailures = 0
}
