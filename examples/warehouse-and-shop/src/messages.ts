/** What the two peer processes and the program that started them tell each other over the process channel. */

export type PeerName = 'warehouse' | 'shop'

export interface PeerSettings {
  readonly name: PeerName
  readonly directory: string
  readonly group: string
  /** Network interfaces to use; loopback by default, as both peers are on this machine. */
  readonly interfaces: readonly string[]
  /** Load the sample inventory into an empty database. */
  readonly seed: boolean
  /** Peer ids to accept; everybody else is refused. */
  readonly trusted: readonly string[]
  /** Serve a page about this peer. */
  readonly web: boolean
}

/** From the starter to a peer. */
export type Command = { readonly do: 'edit' } | { readonly do: 'stop' }

export interface Row {
  readonly id: string
  readonly revId: string
  readonly name: string
  readonly quantity: number
  readonly price: number
  /** Bytes of the picture, 0 while it is not here. */
  readonly pictureBytes: number
}

export interface LinkView {
  readonly device: string
  readonly name: string
  readonly state: string
  readonly route: string
  readonly error: string | undefined
}

export interface PeerView {
  readonly rows: readonly Row[]
  readonly links: readonly LinkView[]
  readonly documentsIn: number
  readonly documentsOut: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly conflicts: number
}

/** From a peer to the starter. Times are milliseconds since the epoch with fractions, one clock for all processes. */
export type Report =
  | { readonly is: 'ready'; readonly at: number; readonly peerId: string }
  | { readonly is: 'discovered'; readonly at: number }
  | { readonly is: 'edited'; readonly at: number; readonly id: string; readonly revId: string }
  | { readonly is: 'received'; readonly at: number; readonly id: string; readonly revId: string }
  | { readonly is: 'view'; readonly view: PeerView }
  /** Where the page is, with the token that it wants. */
  | { readonly is: 'web'; readonly url: string }
  | { readonly is: 'failed'; readonly message: string }

/** Wall-clock milliseconds with sub-millisecond resolution. */
export function preciseNow(): number {
  return performance.timeOrigin + performance.now()
}
