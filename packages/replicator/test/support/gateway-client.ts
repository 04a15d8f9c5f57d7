import { Database } from '@kithmesh/database'
import { Replicator, urlEndpoint } from '@kithmesh/replicator'
import type { DocumentEvent, ReplicatorOptions, ReplicatorStatus, UrlEndpointOptions } from '@kithmesh/replicator'
import { eventually } from '@kithmesh/testkit'
import { ScriptedGateway } from './scripted-gateway/gateway.ts'
import type { ScriptedGatewayOptions } from './scripted-gateway/gateway.ts'

/** A database of ours and a scripted gateway, joined by real replicators over real sockets. */
export class GatewayClient {
  readonly gateway: ScriptedGateway
  readonly database: Database
  readonly events: DocumentEvent[] = []
  readonly #replicators: Replicator[] = []

  private constructor(gateway: ScriptedGateway, database: Database) {
    this.gateway = gateway
    this.database = database
  }

  static async open(options: ScriptedGatewayOptions = {}): Promise<GatewayClient> {
    return new GatewayClient(await new ScriptedGateway(options).start(), await Database.open(':memory:'))
  }

  replicator(options: Partial<ReplicatorOptions> = {}, endpoint: UrlEndpointOptions = {}): Replicator {
    const made = new Replicator({
      database: this.database,
      endpoint: urlEndpoint(this.gateway.url, { basicAuth: { username: 'alice', password: 'secret' }, ...endpoint }),
      ...options
    })
    made.onDocuments((events) => {
      this.events.push(...events)
    })
    this.#replicators.push(made)
    return made
  }

  /** One whole one-shot replication. */
  async run(options: Partial<ReplicatorOptions> = {}, endpoint: UrlEndpointOptions = {}): Promise<ReplicatorStatus> {
    const made = this.replicator({ maxAttempts: 1, ...options }, endpoint)
    made.start()
    return await made.finished()
  }

  /** A continuous one that has caught up. */
  async runOn(options: Partial<ReplicatorOptions> = {}): Promise<Replicator> {
    const made = this.replicator({ continuous: true, ...options })
    made.start()
    await eventually('the replicator to catch up', () => made.status.activity === 'idle')
    return made
  }

  /** Documents here with their bodies. */
  get documents(): Record<string, unknown> {
    return Object.fromEntries([...this.database.collection().documents()].map(({ id, body }) => [id, body]))
  }

  errors(): string[] {
    return this.events.flatMap(({ id, error }) => (error === undefined ? [] : [`${id} ${error.code}`]))
  }

  async close(): Promise<void> {
    for (const made of this.#replicators) await made.stop()
    await this.gateway.stop()
    await this.database.close()
  }
}
