import type { Clock, Logger } from '@kithmesh/core'
import { isChannelData } from '../codec/channel-data.ts'
import type { ReceivedMessage } from '../codec/decode-message.ts'
import { canonicalAddress, type TransportAddress } from '../codec/transport-address.ts'
import { openStreamClient, type StreamClient } from '../stream/client.ts'
import type { StunTlsOptions } from '../stream/dial.ts'
import type { StunRequest, StunRequestOptions, StunResponse } from '../transaction/request.ts'
import { openStunUdp, type StunUdp } from '../udp/socket.ts'
import type { StunTransport } from '../uri.ts'

/** The connection an allocation hangs on: one five-tuple (RFC 8656 §3). */
export interface TurnControl {
  readonly transport: StunTransport
  readonly server: TransportAddress
  readonly local: TransportAddress
  /** As of `StunUdp` and `StunTcp`. */
  readonly ended: Promise<Error | undefined>
  request(request: StunRequest, options: StunRequestOptions): Promise<StunResponse>
  /** False when the frame was dropped because too much waits to be sent. */
  send(frame: Uint8Array): boolean
  onIndication(receive: (message: ReceivedMessage) => void): void
  onChannelData(receive: (frame: Buffer) => void): void
  close(): Promise<void>
}

export interface ControlOptions {
  readonly transport: StunTransport
  readonly server: TransportAddress
  /** The name of the server, for TLS. */
  readonly host: string
  readonly tls: StunTlsOptions | undefined
  readonly localAddress: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/** More than this waiting on a stream means that frames come faster than the network takes them: as on any relay, they are dropped. */
const MAX_WAITING_BYTES = 1 << 20

/** @throws as `openStunUdp` and `openStunTcp`. */
export async function openControl(options: ControlOptions): Promise<TurnControl> {
  if (options.transport !== 'udp') return streamControl(options.transport, await openServerStream(options))
  const { server, localAddress, clock, logger } = options
  const udp = await openStunUdp({ connectTo: server, ...(localAddress !== undefined && { localAddress }), clock, logger })
  return udpControl(udp, server)
}

/** One more connection to the same server, as RFC 6062 has for each relayed connection. */
export function openServerStream({
  transport,
  server,
  host,
  tls,
  localAddress,
  clock,
  logger,
  signal
}: ControlOptions): Promise<StreamClient> {
  return openStreamClient({
    server,
    clock,
    logger,
    signal,
    ...(localAddress !== undefined && { localAddress }),
    ...(transport === 'tls' && { tls: { ...tls, host } })
  })
}

function udpControl(udp: StunUdp, server: TransportAddress): TurnControl {
  return {
    transport: 'udp',
    server,
    local: { address: canonicalAddress(udp.localAddress), port: udp.localPort },
    ended: udp.ended,
    request: (request, options) => udp.request(request, server, options),
    send: (frame) => udp.send(frame, server),
    onIndication(receive) {
      udp.onIndication(receive)
    },
    onChannelData(receive) {
      udp.onDatagram((datagram) => {
        if (isChannelData(datagram)) receive(datagram)
      })
    },
    close: () => udp.close()
  }
}

function streamControl(transport: StunTransport, stream: StreamClient): TurnControl {
  return {
    transport,
    server: stream.server,
    local: { address: stream.localAddress, port: stream.localPort },
    ended: stream.ended,
    request: (request, options) => stream.request(request, options),
    send(frame) {
      if (stream.writableLength > MAX_WAITING_BYTES) return false
      stream.write(frame)
      return true
    },
    onIndication(receive) {
      stream.onIndication(receive)
    },
    onChannelData(receive) {
      stream.onChannelData(receive)
    },
    close: () => stream.close()
  }
}
