/** One thing that was tried on the way to a device. */
export interface ConnectionAttempt {
  /** Name of the strategy, e.g. `direct`; `*` for what concerns every strategy, such as resolving the sighting. */
  readonly strategy: string
  /** The sighting it started from. */
  readonly peerId: string
  readonly provider: string
  /** `host:port`, once known. */
  readonly address: string | undefined
  /** Where it stands or ended: `assess`, `resolve`, `dial`, `won`, `lost`, … */
  readonly phase: string
  readonly state: 'running' | 'won' | 'lost' | 'failed' | 'skipped'
  /** Wall-clock milliseconds. */
  readonly startedAt: number
  readonly elapsedMs: number
  /** Error code of a failure, e.g. `ECONNREFUSED` or `ERR_PD_RESOLVE_FAILED`. */
  readonly code: string | undefined
  readonly message: string | undefined
  /** What a person can do about it. */
  readonly hint: string | undefined
}

/** Everything that was tried for one `connect`, for `explain` and the observers. */
export interface ConnectionReport {
  readonly deviceId: string
  readonly displayName: string
  readonly state: 'connecting' | 'connected' | 'failed'
  readonly startedAt: number
  readonly elapsedMs: number
  /** The winning route, e.g. `direct 192.168.1.4:4984`. */
  readonly route: string | undefined
  readonly attempts: readonly ConnectionAttempt[]
}
