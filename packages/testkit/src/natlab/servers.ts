import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { eventually } from '../eventually.ts'
import { natlabErrors } from './errors.ts'
import { stopProcess } from './stop-process.ts'

/** A server of the lab, in the namespace `srv`. It can be ended at any time and started again with the same settings. */
export interface LabServer {
  readonly name: string
  readonly running: boolean
  /** What it wrote last, at most 16 KiB. */
  readonly output: string
  /** Ends it, at once by default; resolves when it is gone. Idempotent. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again after ending it if need be; resolves when it listens. @throws ERR_NATLAB_SERVER */
  restart(): Promise<void>
  /** Stops it in the middle of whatever it does, or lets it go on: connections stay open and nothing is answered. */
  freeze(frozen: boolean): void
}

/** coturn: STUN and TURN. */
export interface LabTurnServer extends LabServer {
  /** `stun:203.0.113.10:3478` and so on, one for each address; UDP and TCP. */
  readonly stunUrls: readonly string[]
  /** `turn:203.0.113.10:3478`; UDP and TCP. */
  readonly turnUrl: string
  readonly username: string
  readonly credential: string
}

/** mosquitto, without authentication. */
export interface LabBroker extends LabServer {
  /** `mqtt://203.0.113.10:1883`. */
  readonly url: string
}

export interface CoturnOptions {
  /** TCP allocations, RFC 6062. @default true */
  readonly tcpAllocations?: boolean
  /** @default 'lab' */
  readonly username?: string
  /** @default 'secret' */
  readonly credential?: string
  /** Further arguments of turnserver, `--stale-nonce=2`. */
  readonly args?: readonly string[]
}

export interface MosquittoOptions {
  /** Which of the servers' addresses; a second broker takes the other one. @default 0 */
  readonly address?: 0 | 1
  /** Further lines of its configuration file. */
  readonly config?: readonly string[]
}

/** An address that a server listens on when it is up. */
export interface ListenAddress {
  readonly address: string
  readonly port: number
}

const OUTPUT_LIMIT = 16_384
const START_MS = 15_000

/** A process that is started again and again with the same arguments. */
export class ServerProcess implements LabServer {
  readonly name: string
  readonly #start: () => ChildProcess
  readonly #listens: readonly ListenAddress[]
  #child: ChildProcess | undefined
  #output = ''

  constructor(name: string, listens: readonly ListenAddress[], start: () => ChildProcess) {
    this.name = name
    this.#listens = listens
    this.#start = start
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  get output(): string {
    return this.#output
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child !== undefined) await stopProcess(child, signal)
  }

  async restart(): Promise<void> {
    await this.kill()
    const child = this.#start()
    this.#child = child
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_LIMIT)
    }
    child.stdout?.on('data', keep)
    child.stderr?.on('data', keep)
    const failed = once(child, 'exit').then(([code, signal]) => {
      throw this.#failure(`ended with ${String(code ?? signal)} before it listened`)
    })
    failed.catch(() => undefined)
    child.once('error', () => undefined)
    const up = eventually(`${this.name} to listen`, () => this.#listens.every((where) => isListening(child.pid, where)), {
      withinMs: START_MS,
      everyMs: 20
    }).catch((cause: unknown) => {
      throw this.#failure(`does not listen after ${START_MS} ms`, cause)
    })
    await Promise.race([up, failed])
  }

  freeze(frozen: boolean): void {
    this.#child?.kill(frozen ? 'SIGSTOP' : 'SIGCONT')
  }

  #failure(what: string, cause?: unknown): Error {
    const details = { output: this.#output }
    return natlabErrors.create('ERR_NATLAB_SERVER', `${this.name} ${what}`, { details, ...(cause === undefined ? {} : { cause }) })
  }
}

/** Whether a process's network has a listening TCP socket on an address: proc(5), net/tcp. */
function isListening(pid: number | undefined, { address, port }: ListenAddress): boolean {
  if (pid === undefined) return false
  const bytes = address.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))
  const wanted = `${bytes.reverse().join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase()
  const rows = readFileSync(`/proc/${pid}/net/tcp`, 'latin1').split('\n').slice(1)
  return rows.some((row) => {
    const [, local, , state] = row.trim().split(/\s+/)
    return state === '0A' && local === wanted
  })
}

/** The arguments of turnserver. */
export function coturnArguments(directory: string, addresses: readonly string[], options: CoturnOptions): readonly string[] {
  const { tcpAllocations = true, username = 'lab', credential = 'secret', args = [] } = options
  return [
    '-n',
    ...addresses.flatMap((address) => [`--listening-ip=${address}`, `--relay-ip=${address}`]),
    '--listening-port=3478',
    '--alt-listening-port=3479',
    '--lt-cred-mech',
    `--user=${username}:${credential}`,
    '--realm=lab',
    '--fingerprint',
    '--no-tls',
    '--no-dtls',
    '--no-cli',
    `--userdb=${directory}/turndb`,
    `--pidfile=${directory}/turnserver.pid`,
    '--log-file=stdout',
    '--simple-log',
    ...(tcpAllocations ? [] : ['--no-tcp-relay']),
    ...args
  ]
}

/** The configuration file of mosquitto. */
export function mosquittoConfig(address: string, lines: readonly string[]): string {
  return [`listener 1883 ${address}`, 'allow_anonymous true', 'persistence false', 'user root', ...lines, ''].join('\n')
}
