import { type Clock, silentLogger } from '@kithmesh/core'
import { type BindingResult, openStunTcp, openStunUdp, parseStunUri, resolveServer } from '@kithmesh/stun'

/** What came of asking one STUN server over one transport. */
export interface StunAnswer {
  readonly transport: 'UDP' | 'TCP' | 'TLS'
  /** Either this or the error. */
  readonly result: BindingResult | undefined
  readonly error: unknown
}

export interface StunServerEvidence {
  readonly server: string
  readonly answers: readonly StunAnswer[]
  /** When not even an address of it is known. */
  readonly error: unknown
}

export interface ProbeStunServerOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** For each transport, milliseconds. */
  readonly deadlineMs: number
}

/** Asks a STUN server where this machine's packets come from: over UDP and TCP, or over TLS alone where the URI says so. */
export async function probeStunServer(server: string, { clock, signal, deadlineMs }: ProbeStunServerOptions): Promise<StunServerEvidence> {
  const uri = parseStunUri(server)
  try {
    const [address] = await resolveServer(uri.host, uri.port, { signal })
    if (address === undefined) throw new Error(`${uri.host} has no address`)
    const common = { clock, logger: silentLogger }
    const stream = async (tls: boolean): Promise<BindingResult> => {
      const connection = await openStunTcp({ ...common, server: address, signal, deadlineMs, ...(tls && { tls: { host: uri.host } }) })
      try {
        return await connection.bind({ signal, deadlineMs })
      } finally {
        await connection.close()
      }
    }
    const datagrams = async (): Promise<BindingResult> => {
      const socket = await openStunUdp({ ...common, connectTo: address })
      try {
        return await socket.bind(address, { signal, deadlineMs })
      } finally {
        await socket.close()
      }
    }
    const asked =
      uri.transport === 'tls'
        ? [answer('TLS', stream(true))]
        : [...(uri.transport === 'udp' ? [answer('UDP', datagrams())] : []), answer('TCP', stream(false))]
    return { server, answers: await Promise.all(asked), error: undefined }
  } catch (error) {
    return { server, answers: [], error }
  }
}

async function answer(transport: StunAnswer['transport'], asking: Promise<BindingResult>): Promise<StunAnswer> {
  try {
    return { transport, result: await asking, error: undefined }
  } catch (error) {
    return { transport, result: undefined, error }
  }
}
