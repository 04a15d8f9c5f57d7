import { silentLogger, systemClock } from '@kithmesh/core'
import type { Clock, Logger } from '@kithmesh/core'
import { replicatorErrors } from '../errors.ts'
import type { LinkEnd, LinkHandlers, MessageLinkOptions } from './link-options.ts'
import { Message } from './message.ts'
import type { MessageEndpointConnection, ReplicatorConnection } from './message-endpoint-connection.ts'
import { MessagingError, NOT_RECOVERABLE, RECOVERABLE, endOfFailure, errorForApplication } from './messaging-error.ts'
import { ReceiveQueue } from './receive-queue.ts'

interface Outgoing {
  readonly data: Uint8Array
  readonly done: ((error?: Error) => void) | undefined
}

/**
 * Drives one connection of the application by the rules of discovery-api.md §C: opened once, one send at a time, nothing delivered before
 * `open` has completed, closed exactly once, and a deadline for each of them. What the bytes mean is the business of those above.
 */
export class MessageLink {
  readonly description: string
  /** Resolves when the application's connection is closed. */
  readonly ended: Promise<LinkEnd>
  readonly #connection: MessageEndpointConnection
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #sendTimeoutMs: number
  readonly #closeTimeoutMs: number
  readonly #incoming: ReceiveQueue
  #state: 'new' | 'opening' | 'open' | 'finishing' | 'closing' | 'closed' = 'new'
  #outgoing: Outgoing[] = []
  #sending = false
  #pumping = false
  #bufferedBytes = 0
  #finish: LinkEnd | undefined
  #ending: LinkEnd | undefined
  #handlers: LinkHandlers | undefined
  #cancelFlush: (() => void) | undefined
  #cancelDeadline: (() => void) | undefined
  #resolveEnded!: (end: LinkEnd) => void

  constructor(connection: MessageEndpointConnection, description: string, options: MessageLinkOptions) {
    this.#connection = connection
    this.description = description
    this.#clock = options.clock ?? systemClock
    this.#logger = (options.logger ?? silentLogger).child('message-link')
    this.#sendTimeoutMs = options.sendTimeoutMs ?? 30_000
    this.#closeTimeoutMs = options.closeTimeoutMs ?? 5_000
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    this.#incoming = new ReceiveQueue({
      maxBytes: options.maxReceiveBytes ?? 16 * 1024 * 1024,
      failed: (error) => {
        this.#tearDown({ code: NOT_RECOVERABLE, reason: error.message, error, local: false })
      }
    })
  }

  /** Bytes waiting or being sent. */
  get bufferedBytes(): number {
    return this.#bufferedBytes
  }

  /** How it ends, from the moment on when that is decided. */
  get ending(): LinkEnd | undefined {
    return this.#ending
  }

  /**
   * Opens the application's connection. When that fails, or the signal aborts, the connection is closed before this rejects.
   * @throws ERR_REPL_CLOSED with the close code in its details, or the signal's reason.
   */
  async open(signal: AbortSignal): Promise<void> {
    const onAbort = (): void => {
      const error = signal.reason as Error
      this.#tearDown({ code: RECOVERABLE, reason: error.message, error, local: false })
    }
    this.#state = 'opening'
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (signal.aborted) throw signal.reason as Error
      await Promise.race([
        promised(() => this.#connection.open(this.#replicatorConnection())).catch((error: unknown) => {
          this.#tearDown(endOfFailure(`The connection to ${this.description} could not be opened`, error))
          return this.ended
        }),
        this.ended
      ])
      if (this.#ending !== undefined) {
        const { code, reason, error } = await this.ended
        if (signal.aborted) throw signal.reason as Error
        throw replicatorErrors.create('ERR_REPL_CLOSED', `The connection to ${this.description} ended while it was opened: ${reason}`, {
          ...(error !== undefined && { cause: error }),
          details: { code, reason }
        })
      }
      this.#state = 'open'
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** Takes over; what came meanwhile is delivered now. */
  attach(handlers: LinkHandlers): void {
    this.#handlers = handlers
    this.#incoming.start((data) => {
      handlers.received(data)
    })
    if (this.#state === 'closed') this.#reportEnd()
  }

  /** Queues bytes; `done` is called when the application has sent them, or with an error when it never will. */
  send(data: Uint8Array, done?: (error?: Error) => void): void {
    if (this.#state !== 'open') {
      done?.(this.#ending?.error ?? replicatorErrors.create('ERR_REPL_CLOSED', 'The connection has ended'))
      return
    }
    this.#outgoing.push({ data, done })
    this.#bufferedBytes += data.length
    if (this.#sending || this.#pumping) return
    this.#pumping = true
    // Later, because an application may deliver at once: the answer must not come in the middle of what is being sent.
    queueMicrotask(() => {
      this.#pumping = false
      this.#pump()
    })
  }

  pause(): void {
    this.#incoming.pause()
  }

  resume(): void {
    this.#incoming.resume()
  }

  /** Sends what is queued, then closes. Idempotent. */
  finish(code: number, reason: string): void {
    if (this.#state !== 'open') return
    this.#finish = { code, reason, local: true }
    this.#state = 'finishing'
    this.#cancelFlush = this.#clock.after(this.#closeTimeoutMs, () => {
      this.#tearDown({ ...this.#finish!, error: this.#timeout('sending the last messages', this.#closeTimeoutMs) })
    })
    if (!this.#pumping) this.#pump()
  }

  /** Closes at once. Idempotent. */
  abort(error?: Error): void {
    this.#tearDown({ code: 1006, reason: '', ...(error !== undefined && { error }), local: true })
  }

  #replicatorConnection(): ReplicatorConnection {
    return {
      receive: (message) => {
        if (typeof message?.toData !== 'function') throw new TypeError('receive takes a Message; see Message.fromData')
        return this.#incoming.add(message.toData())
      },
      ready: () => this.#incoming.ready(),
      close: (error) => {
        this.#tearDown(
          error === undefined || error === null
            ? { code: 1000, reason: '', local: false }
            : endOfFailure(`The connection to ${this.description} was ended`, error)
        )
      }
    }
  }

  #pump(): void {
    if (this.#sending || (this.#state !== 'open' && this.#state !== 'finishing')) return
    const next = this.#outgoing.shift()
    if (next === undefined) {
      if (this.#finish !== undefined) this.#tearDown(this.#finish)
      return
    }
    this.#sending = true
    this.#within(
      this.#sendTimeoutMs,
      () => this.#connection.send(Message.fromData(next.data)),
      () => new MessagingError(this.#timeout('sending a message', this.#sendTimeoutMs), true)
    ).then(
      () => {
        this.#sending = false
        this.#bufferedBytes = Math.max(0, this.#bufferedBytes - next.data.length)
        next.done?.()
        if (this.#ending === undefined) this.#handlers?.sent()
        this.#pump()
      },
      (error: unknown) => {
        this.#tearDown(endOfFailure(`Sending to ${this.description} failed`, error))
        next.done?.(this.#ending?.error ?? (error as Error))
      }
    )
  }

  /** The application's `close` is called here and nowhere else. */
  #tearDown(end: LinkEnd): void {
    if (this.#ending !== undefined) return
    this.#ending = end
    this.#state = 'closing'
    this.#cancelFlush?.()
    this.#cancelDeadline?.()
    const unsent = this.#outgoing
    this.#outgoing = []
    this.#bufferedBytes = 0
    this.#incoming.end()
    for (const { done } of unsent) done?.(end.error ?? replicatorErrors.create('ERR_REPL_CLOSED', 'The connection has ended'))
    void this.#within(
      this.#closeTimeoutMs,
      () => this.#connection.close(errorForApplication(end)),
      () => this.#timeout('closing', this.#closeTimeoutMs)
    )
      .catch((error: unknown) => {
        this.#logger.warn('Closing a connection failed', { peer: this.description, error })
      })
      .then(() => {
        this.#state = 'closed'
        this.#resolveEnded(end)
        this.#reportEnd()
      })
  }

  /** The end comes behind what was received before it. */
  #reportEnd(): void {
    const handlers = this.#handlers
    if (handlers === undefined) return
    void this.#incoming.drained.then(() => {
      handlers.ended(this.#ending!)
    })
  }

  #timeout(what: string, ms: number): Error {
    return replicatorErrors.create(
      'ERR_REPL_MESSAGING_TIMEOUT',
      `The connection to ${this.description} did not finish ${what} within ${ms} ms`,
      {
        details: { ms }
      }
    )
  }

  #within(ms: number, run: () => Promise<void>, late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(ms, () => {
        reject(late())
      })
      this.#cancelDeadline = cancel
      promised(run).then(resolve, reject).finally(cancel)
    })
  }
}

/** A call into the application's code, which may also throw. */
async function promised(run: () => Promise<void>): Promise<void> {
  await run()
}
