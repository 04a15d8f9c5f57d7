import type { MeshLink, LinkState } from './contracts.ts'

/** What is known of one device's link, changed by the mesh only. */
export class LinkRecord {
  readonly deviceId: string
  displayName: string
  state: LinkState = 'waiting'
  direction: MeshLink['direction']
  route: string | undefined
  error: Error | undefined
  /** Still seen by a provider. */
  listed = true

  constructor (deviceId: string, displayName: string) {
    this.deviceId = deviceId
    this.displayName = displayName
  }

  get connected (): boolean { return this.state === 'busy' || this.state === 'idle' }

  snapshot (): MeshLink {
    const { deviceId, displayName, state, direction, route, error } = this
    return { deviceId, displayName, state, direction, route: this.connected ? route : undefined, error }
  }
}
