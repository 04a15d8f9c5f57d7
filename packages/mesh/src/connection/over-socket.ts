import { type BlipPeer, createBlipConnection } from '@kithmesh/blip'
import type { Logger, MessageSocket } from '@kithmesh/core'
import type { MeshConnection } from '../engine/contracts.ts'

/** A connection of a mesh over an open message socket. BLIP begins to read when it is first asked for. */
export function overSocket(
  socket: MessageSocket,
  logger: Logger,
  facts: Omit<MeshConnection, 'blip' | 'protocol' | 'description' | 'probe' | 'terminate'>
): MeshConnection {
  let blip: BlipPeer | undefined
  return {
    ...facts,
    protocol: socket.protocol,
    description: socket.description,
    get blip() {
      blip ??= createBlipConnection(socket, { logger })
      return blip
    },
    probe: (withinMs) => socket.probe?.(withinMs),
    terminate: (error) => {
      socket.terminate(error)
    }
  }
}
