import type { Logger, SocketCloseInfo } from '@kithmesh/core'

/** Tells once how a connection ended, also those who ask only afterwards. */
export class CloseNotice {
  private readonly logger: Logger
  private info: SocketCloseInfo | undefined
  private listeners: ((info: SocketCloseInfo) => void)[] = []

  constructor(logger: Logger) {
    this.logger = logger
  }

  get given(): boolean {
    return this.info !== undefined
  }

  /** Calls the listener once, never from inside this call. */
  add(listener: (info: SocketCloseInfo) => void): void {
    const { info } = this
    if (info === undefined) this.listeners.push(listener)
    else
      queueMicrotask(() => {
        listener(info)
      })
  }

  /** The connection has ended. A listener that throws does not keep the others from being told. */
  give(info: SocketCloseInfo): void {
    this.info = info
    const { listeners } = this
    this.listeners = []
    for (const listener of listeners) {
      try {
        listener(info)
      } catch (error) {
        this.logger.error('A listener of the end of a connection failed', { error })
      }
    }
  }
}
