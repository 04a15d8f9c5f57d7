import { createRelay, type Relay, type RelayOptions } from '@kithmesh/relay'
import { createTurnClient, type TurnClient } from '@kithmesh/stun'

export const team = { username: 'team', password: 'a long secret' }

/** Relays and clients of a test; `end` closes them, newest first. */
export class Stage {
  readonly #open: AsyncDisposable[] = []

  use<T extends AsyncDisposable>(thing: T): T {
    this.#open.push(thing)
    return thing
  }

  /** A relay on loopback that may relay there, on any free ports. */
  async relay(options: Partial<RelayOptions> = {}): Promise<Relay> {
    const relay = this.use(
      createRelay({
        host: '127.0.0.1',
        users: [team],
        mqttPort: 0,
        stunPort: 0,
        alternateStunPort: 0,
        turnsPort: 0,
        allowPeers: ['127.0.0.0/8'],
        ...options
      })
    )
    await relay.start()
    return relay
  }

  /** A client of its TURN server. */
  turn(relay: Relay, { query = '', username = team.username, credential = team.password } = {}): TurnClient {
    const client = createTurnClient({ uri: `${relay.urls.turn[0]}${query}`, username, credential, requestTimeoutMs: 30_000 })
    this.#open.push({ [Symbol.asyncDispose]: () => client.close() })
    return client
  }

  async end(): Promise<void> {
    for (const thing of this.#open.splice(0).reverse()) await thing[Symbol.asyncDispose]()
  }
}
