/** A phase that an attempt entered, or an address that it tried. */
export interface AttemptStep {
  readonly phase: string
  /** `host:port`, where the phase has one. */
  readonly address: string | undefined
  /** Milliseconds after the attempt began. */
  readonly atMs: number
  /** What became of that address, e.g. `ECONNREFUSED`; undefined where the strategy does not tell, or nothing was heard. */
  readonly code: string | undefined
}

/** Where a provider sees the device. */
export interface ReportedSighting {
  readonly peerId: string
  readonly provider: string
  /** The provider thinks that connecting makes sense. */
  readonly connectable: boolean
  /** Undefined when it was not resolved. */
  readonly url: string | undefined
  readonly addresses: readonly string[]
  /** It came with a channel for signalling, which all strategies but `direct` need. */
  readonly signaling: boolean
}

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
  /** What it went through, in order; the first 32. Always there in reports of a discovery. */
  readonly steps?: readonly AttemptStep[]
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
  /** Where the device was seen when it began. Always there in reports of a discovery. */
  readonly sightings?: readonly ReportedSighting[]
}

/** What one strategy thinks of one sighting. */
export interface RouteAssessment {
  /** Name of the strategy; `*` for what concerns every strategy, such as an address that may not be connected to. */
  readonly strategy: string
  /** The sighting. */
  readonly peerId: string
  readonly provider: string
  /** For `*`: the address that may not be connected to. */
  readonly address: string | undefined
  /** It would be tried. */
  readonly usable: boolean
  /** Lower would be begun earlier. */
  readonly rank: number | undefined
  /** Why it would not be tried. */
  readonly reason: string | undefined
  readonly code: string | undefined
  readonly hint: string | undefined
}

/** How a device would be connected to: a snapshot, of `assess`. */
export interface DeviceAssessment {
  readonly deviceId: string
  readonly displayName: string
  /** Why the access rules forbid to connect to it at all. */
  readonly refused: string | undefined
  readonly sightings: readonly ReportedSighting[]
  /** Those that would be tried first, in the order in which they would be begun. */
  readonly routes: readonly RouteAssessment[]
}
