/** What the page and its server say to each other: JSON. The page imports these types and nothing else from here. */

/** Of the listener. `anonymous` makes a certificate that lasts until the listener's settings change; `identity` shows the given one. */
export type TlsMode = 'off' | 'anonymous' | 'identity'

/** How a connection judges the listener's certificate; `plain` is a connection without TLS. */
export type ValidationMode = 'any' | 'self-signed' | 'ca' | 'pinned' | 'plain'

export interface ItemView {
  readonly id: string
  readonly name: string
  readonly quantity: number
  /** Where the picture is, when there is one and its bytes have arrived. */
  readonly picture?: string
}

export interface CertificateView {
  readonly commonName: string
  /** SHA-256 in hex, to compare. */
  readonly fingerprint: string
  readonly selfSigned: boolean
  readonly notAfter: string
}

export interface ClientView {
  readonly user: string
  readonly remote: string
  readonly activity: 'busy' | 'idle' | 'stopped'
}

export interface ListenerView {
  readonly state: 'off' | 'starting' | 'on' | 'stopping'
  readonly tls: TlsMode
  readonly urls: readonly string[]
  readonly connections: number
  readonly activeConnections: number
  readonly clients: readonly ClientView[]
  /** What it shows to clients, with TLS and while it is on. */
  readonly certificate?: CertificateView
  readonly error?: ErrorView
  /** Whether others on the network see it. */
  readonly advertised: boolean
}

export interface ErrorView {
  readonly code: string
  /** Code of what it comes from, the same where that is all. */
  readonly reason: string
  readonly message: string
  readonly hint: string
}

export type ConnectionState = 'connecting' | 'busy' | 'connected' | 'offline' | 'disconnected'

export interface ConnectionView {
  readonly state: ConnectionState
  readonly mode: ValidationMode
  readonly user: string
  readonly url?: string
  readonly documents: number
  readonly total: number
  readonly bytes: number
  /** Edits that the other side does not have yet. */
  readonly pending: number
  readonly error?: ErrorView
}

/** A listener that was found on the network, or whose URL was typed in. */
export interface NeighbourView {
  readonly key: string
  readonly name: string
  /** Whether it is on the network now, as far as we know. */
  readonly present: boolean
  /** What it says of itself; undefined for typed URLs. */
  readonly tls?: boolean
  readonly typed: boolean
  readonly connection?: ConnectionView
}

export interface ItemVersionView {
  readonly name: string
  readonly quantity: number
  readonly picture?: string
  readonly removed: boolean
}

export interface DecisionView {
  readonly item: string
  readonly here?: ItemVersionView
  readonly there?: ItemVersionView
  readonly result: ItemVersionView
  readonly why: readonly string[]
}

/** A conflict that was decided: by whom, against which version, and what became of each item. */
export interface ConflictView {
  readonly id: string
  readonly at: string
  /** Who decided; that is the side that had connected. */
  readonly by: string
  readonly between: readonly [here: string, there: string]
  readonly decisions: readonly DecisionView[]
}

/** All that a page shows; sent anew when something changed. */
export interface AppState {
  readonly device: string
  readonly user?: string
  /** For the list of suggestions on the login form. */
  readonly users: readonly string[]
  readonly offline: boolean
  readonly items: readonly ItemView[]
  readonly removed: readonly { readonly id: string; readonly name: string }[]
  readonly listener: ListenerView
  readonly browsing: boolean
  readonly browseError?: ErrorView
  readonly neighbours: readonly NeighbourView[]
  readonly conflicts: readonly ConflictView[]
  readonly identity: CertificateView
  /** Certificates of authorities that were added here. */
  readonly authorities: readonly CertificateView[]
}

export interface ConnectRequest {
  /** `key` of a neighbour, or `url`. */
  readonly key?: string
  readonly url?: string
  readonly mode: ValidationMode
  /** For others than the one who is logged in. */
  readonly user?: string
  readonly password?: string
  /** For `pinned`: base64 of a certificate, DER or PEM. */
  readonly certificate?: string
}

/** What a refused request answers with. */
export interface ErrorAnswer {
  readonly error: ErrorView
}
