import type { Buffer } from 'node:buffer'
import type { Clock, Logger } from '@kithmesh/core'
import type { Browser } from './browser.ts'
import type { CheckedOptions } from './options.ts'
import { Responder } from './responder.ts'
import { MulticastSockets } from './sockets.ts'
import type { Link, Sender } from './sockets.ts'
import { decodeMessage } from './dns-message.ts'

/** Sockets, responder and browsers of all providers that one factory made for one clock; open while somebody uses them. */
export class Engine {
  readonly #options: CheckedOptions
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #browsers = new Set<Browser>()
  #responder: Responder | undefined
  #sockets: MulticastSockets | undefined
  #users = 0
  #turn: Promise<void> = Promise.resolve()

  constructor(options: CheckedOptions, clock: Clock, logger: Logger) {
    this.#options = options
    this.#clock = clock
    this.#logger = logger
  }

  get inUse(): boolean {
    return this.#users > 0
  }

  /** The responder; only between `acquire` and `release`. */
  get responder(): Responder {
    if (this.#responder === undefined) throw new TypeError('The engine is not open')
    return this.#responder
  }

  /** Opens the sockets for the first user. @throws ERR_DNSSD_SOCKET, ERR_DNSSD_NO_INTERFACE */
  acquire(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#users === 0) await this.#open()
      this.#users++
    })
  }

  /** Closes the sockets after the last user. */
  release(): Promise<void> {
    return this.#inTurn(async () => {
      if (--this.#users > 0) return
      const sockets = this.#sockets
      this.#sockets = undefined
      this.#responder?.stop()
      this.#responder = undefined
      await sockets?.close()
    })
  }

  addBrowser(browser: Browser): void {
    this.#browsers.add(browser)
    for (const link of this.#sockets?.links ?? []) browser.addLink(link)
  }

  removeBrowser(browser: Browser): void {
    this.#browsers.delete(browser)
    browser.stop()
  }

  async #open(): Promise<void> {
    const responder = new Responder({
      clock: this.#clock,
      logger: this.#logger.child('responder'),
      random: this.#options.random,
      port: this.#options.port
    })
    const sockets = new MulticastSockets(this.#options, this.#clock, this.#logger.child('sockets'), {
      message: (link, packet, from) => {
        this.#receive(link, packet, from)
      },
      linkUp: (link) => {
        responder.addLink(link)
        for (const browser of this.#browsers) browser.addLink(link)
      },
      linkDown: (link) => {
        responder.removeLink(link)
        for (const browser of this.#browsers) browser.removeLink(link)
      },
      linkChanged: (link) => {
        responder.refreshLink(link)
        for (const browser of this.#browsers) browser.refreshLink(link)
      }
    })
    await sockets.open()
    for (const link of sockets.links) responder.addLink(link)
    this.#responder = responder
    this.#sockets = sockets
  }

  #receive(link: Link, packet: Buffer, from: Sender): void {
    const message = decodeMessage(packet)
    if (message === undefined) {
      this.#logger.debug('A malformed packet was ignored', { from: from.address, bytes: packet.length })
      return
    }
    try {
      this.#responder?.receive(link, message, from)
      if (message.response && from.port === this.#options.port) for (const browser of this.#browsers) browser.receive(link, message)
    } catch (error) {
      this.#logger.error('A packet could not be dealt with', { from: from.address, error })
    }
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => {})
    return result
  }
}
