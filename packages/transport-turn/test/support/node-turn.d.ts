declare module 'node-turn' {
  class TurnServer {
    constructor(options: {
      readonly listeningIps: readonly string[]
      readonly relayIps: readonly string[]
      readonly listeningPort: number
      readonly authMech: 'long-term'
      readonly credentials: Readonly<Record<string, string>>
      readonly log?: (text: string) => void
    })
    start(): void
    stop(): void
  }
  export = TurnServer
}
