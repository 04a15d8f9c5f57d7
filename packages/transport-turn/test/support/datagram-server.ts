import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

/**
 * A foreign TURN server that relays datagrams and knows nothing of RFC 6062. It is a process of its own, because it throws out of callbacks when
 * it is stopped at the wrong moment.
 */
export class DatagramServer {
  #stop: () => Promise<void> = async () => {}
  #port = 0

  get server(): { readonly url: string; readonly username: string; readonly credential: string } {
    return { url: `turn:127.0.0.1:${this.#port}?transport=udp`, username: 'user', credential: 'password' }
  }

  async start(): Promise<void> {
    const child = fork(fileURLToPath(new URL('./datagram-server-process.js', import.meta.url)))
    this.#port = (await once(child, 'message'))[0] as number
    this.#stop = async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    }
  }

  /** Ends like a process that is killed. */
  async stop(): Promise<void> {
    await this.#stop()
    this.#stop = async () => {}
  }
}
