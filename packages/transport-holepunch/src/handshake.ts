import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Clock } from '@kithmesh/core'
import { discardSocket } from './dial.ts'
import { FRAME_BYTES, NONCE_BYTES, encodeHello, verifyHello, type HelloKind, type PunchRole } from './hello-frames.ts'

export interface HandshakeOptions {
  readonly socket: Socket
  readonly key: Buffer
  readonly role: PunchRole
  readonly pair: number
  readonly clock: Clock
  /** Until both have heard each other. */
  readonly deadlineMs: number
  /** It is the other device, and bytes go both ways. */
  readonly onLive: (handshake: Handshake) => void
  /** As responder: the initiator chose this connection. */
  readonly onNominated: (handshake: Handshake) => void
  /** It is somebody else, or broken; the socket is gone. */
  readonly onFailed: (handshake: Handshake) => void
}

const NO_NONCE = Buffer.alloc(NONCE_BYTES)

/**
 * Proves on an open connection that the other end is the device we exchanged secrets with, and that bytes pass in both directions: each
 * side sends a nonce and must get it back. Then the initiator nominates one of all connections. Nothing behind the last frame is read.
 */
export class Handshake {
  readonly #options: HandshakeOptions
  readonly #own = randomBytes(NONCE_BYTES)
  readonly #cancelDeadline: () => void
  #other: Buffer | undefined
  #live = false
  #done = false

  constructor(options: HandshakeOptions) {
    this.#options = options
    const { socket, clock, deadlineMs } = options
    socket.on('readable', this.#read)
    socket.once('error', this.#fail)
    socket.once('close', this.#fail)
    socket.once('end', this.#fail)
    this.#cancelDeadline = clock.after(deadlineMs, () => {
      if (!this.#live) this.#fail()
    })
    this.#send('hello')
  }

  /** Whether the other side has proved that it knows the secrets. */
  get known(): boolean {
    return this.#other !== undefined
  }

  get live(): boolean {
    return this.#live
  }

  /** As initiator, once it is live: tells the other side that this is the connection. */
  nominate(): void {
    this.#send('nominate')
  }

  /**
   * Hands out the stream, with everything that came after the frames still unread in it. It may break before its next owner listens, even
   * in this turn, by writing the nomination: its end tells then.
   */
  release(): Socket {
    this.#stop()
    this.#options.socket.on('error', ignore)
    return this.#options.socket
  }

  /** Gets rid of the connection, without a word. */
  drop(): void {
    this.#stop()
    this.#options.socket.on('error', ignore)
    discardSocket(this.#options.socket)
  }

  readonly #fail = (): void => {
    if (this.#done) return
    this.drop()
    this.#options.onFailed(this)
  }

  readonly #read = (): void => {
    while (!this.#done) {
      const frame = this.#options.socket.read(FRAME_BYTES) as Buffer | null
      if (frame === null) return
      this.#receive(frame)
    }
  }

  #receive(frame: Buffer): void {
    const { role, onLive, onNominated } = this.#options
    if (this.#other === undefined) {
      this.#other = this.#verify(frame, 'hello')
      if (this.#other === undefined) this.#fail()
      else this.#send('echo')
    } else if (!this.#live) {
      if (this.#verify(frame, 'echo') === undefined) {
        this.#fail()
        return
      }
      this.#live = true
      onLive(this)
    } else if (role === 'responder' && this.#verify(frame, 'nominate') !== undefined) onNominated(this)
    else this.#fail()
  }

  #verify(frame: Buffer, kind: HelloKind): Buffer | undefined {
    const { key, role, pair } = this.#options
    return verifyHello(key, frame, {
      kind,
      role: role === 'initiator' ? 'responder' : 'initiator',
      pair,
      own: this.#other,
      other: kind === 'hello' ? NO_NONCE : this.#own
    })
  }

  #send(kind: HelloKind): void {
    const { key, role, pair, socket } = this.#options
    socket.write(encodeHello(key, { kind, role, pair, own: this.#own, other: kind === 'hello' ? NO_NONCE : (this.#other ?? NO_NONCE) }))
  }

  #stop(): void {
    this.#done = true
    this.#cancelDeadline()
    const { socket } = this.#options
    socket.removeListener('readable', this.#read)
    socket.removeListener('error', this.#fail)
    socket.removeListener('close', this.#fail)
    socket.removeListener('end', this.#fail)
  }
}

function ignore(): void {}
