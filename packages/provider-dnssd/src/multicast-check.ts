import { randomBytes } from 'node:crypto'
import { networkInterfaces } from 'node:os'
import type { Clock } from '@kithmesh/core'
import { silentLogger, systemClock } from '@kithmesh/core'
import { checkPositive } from '@kithmesh/core/plugin'
import { selectInterfaces } from './interfaces.ts'
import { rrType } from './rdata.ts'
import { MulticastSockets } from './sockets.ts'
import { MessageWriter, decodeMessage } from './dns-message.ts'

/** What came of {@link checkMulticast} on one interface. */
export interface MulticastCheck {
  readonly interface: string
  /** What was sent there came back: the operating system and its firewall let multicast pass both ways. */
  readonly heard: boolean
  /** Why nothing could be sent. */
  readonly error: Error | undefined
}

export interface MulticastCheckOptions {
  /** By name, or by an address of theirs; an interface is checked as a whole. @default those that discovery uses */
  readonly interfaces?: readonly string[]
  /** How long to listen, milliseconds. @default 1,500 */
  readonly timeoutMs?: number
  /** Others than 5353 are for tests. */
  readonly port?: number
  readonly clock?: Clock
  /** Ends the check early: what was not heard by then is told as not heard. */
  readonly signal?: AbortSignal
}

/** Another one is sent when the one before may have been lost. */
const REPEAT_MS = 400

/**
 * Sends each interface's multicast group a question that nobody answers, up to a few times, and listens whether it comes back. It needs no
 * other device and tells nobody anything; what is between here and other devices it cannot show. Resolves early when all were heard.
 * @throws TypeError for a time that makes no sense
 */
export async function checkMulticast(options: MulticastCheckOptions = {}): Promise<MulticastCheck[]> {
  const { timeoutMs = 1500, port = 5353, clock = systemClock, signal } = options
  checkPositive(options, 'timeoutMs')
  const choice = { interfaces: options.interfaces, ipv4: true, ipv6: true }
  const names = selectInterfaces(networkInterfaces(), choice).map(({ name }) => name)
  return await Promise.all(names.map((name) => checkOne(name)))

  async function checkOne(name: string): Promise<MulticastCheck> {
    const question = `kithmesh-check-${randomBytes(8).toString('hex')}.local`
    const writer = new MessageWriter(512)
    writer.addQuestion({ name: question, type: rrType.PTR })
    const packet = writer.finish({ response: false })
    const wait = new AbortController()
    let heard = false
    const sockets = new MulticastSockets({ ...choice, interfaces: [name], port }, clock, silentLogger, {
      message: (_link, bytes) => {
        if (decodeMessage(bytes)?.questions.some((one) => one.name === question) === true) {
          heard = true
          wait.abort()
        }
      },
      linkUp() {},
      linkDown() {},
      linkChanged() {}
    })
    const stop = (): void => {
      wait.abort()
    }
    if (signal?.aborted === true) return { interface: name, heard: false, error: undefined }
    signal?.addEventListener('abort', stop, { once: true })
    try {
      await sockets.open()
      for (let waited = 0; waited < timeoutMs && !wait.signal.aborted; waited += REPEAT_MS) {
        for (const link of sockets.links) link.send(packet)
        await clock.sleep(Math.min(REPEAT_MS, timeoutMs - waited), { signal: wait.signal }).catch(() => {})
      }
      return { interface: name, heard, error: undefined }
    } catch (error) {
      return { interface: name, heard: false, error: error as Error }
    } finally {
      signal?.removeEventListener('abort', stop)
      await sockets.close()
    }
  }
}
