declare module 'node-turn' {
  import type { Socket } from 'node:dgram'

  class TurnServer {
    constructor(options: {
      readonly listeningIps: readonly string[]
      readonly relayIps: readonly string[]
      readonly listeningPort: number
      readonly authMech: 'long-term'
      readonly credentials: Readonly<Record<string, string>>
      readonly log?: (text: string) => void
    })
    readonly network: { readonly sockets: readonly Socket[] }
    start(): void
    stop(): void
  }
  export = TurnServer
}
