/** STUN servers, those that answered last first: one that is down costs time once, not at each attempt. */
export class ServerOrder {
  #servers: readonly string[]

  constructor(servers: readonly string[]) {
    this.#servers = servers
  }

  get servers(): readonly string[] {
    return this.#servers
  }

  answered(server: string): void {
    if (this.#servers[0] !== server) this.#servers = [server, ...this.#servers.filter((each) => each !== server)]
  }
}
