import type { DatagramPath, DatagramPathHandlers } from '@kithmesh/datagram-stream'
import { sameTransportAddress, type TransportAddress, type UdpAllocation } from '@kithmesh/stun'

/** Addresses of one peer that get a channel; a NAT that keeps moving it is answered by indications. */
const MAX_CHANNELS = 4

/**
 * The path for datagrams over a relay of ours. Where the peer is may be unknown at first, and change when its NAT forgets it: it is where
 * the last datagram came from that was the peer's beyond doubt. The path has the allocation, and calls `close` to give it back.
 */
export function relayedPath(allocation: UdpAllocation, known: TransportAddress | undefined, close: () => void): DatagramPath {
  let peer: TransportAddress | undefined
  let handlers: DatagramPathHandlers | undefined
  let unsubscribe = (): void => {}
  let channels = 0
  const meet = (address: TransportAddress): void => {
    peer = address
    if (channels++ < MAX_CHANNELS) allocation.bindChannel(address).catch(() => {})
  }
  if (known !== undefined) meet(known)
  return {
    open(given) {
      handlers = given
      unsubscribe = allocation.onData((datagram, from) => {
        if (handlers?.datagram(datagram) === true && (peer === undefined || !sameTransportAddress(peer, from))) meet(from)
      })
      void allocation.ended.then((error) => {
        handlers?.closed(error ?? new Error('The relay was given back'))
      })
    },
    send(datagram) {
      if (peer !== undefined) allocation.send(datagram, peer)
    },
    close() {
      if (handlers === undefined) return
      handlers = undefined
      unsubscribe()
      close()
    }
  }
}
