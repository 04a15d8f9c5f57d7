import type { Duplex } from 'node:stream'
import { describeSocketFactory, realClock, recordingLogger } from '@kithmesh/testkit'
import type { ChannelLimits } from '../../dist/l2cap/channel-limits.js'
import { ChannelManager } from '../../dist/l2cap/channel-manager.js'
import { carrierPair } from './carriers.js'

/** One link whose right side accepts; every listener of a test has a PSM of its own. */
function describeOver(label: string, limits: Partial<ChannelLimits>, maxFrameBytes: number): void {
  const [left, right] = carrierPair({ maxFrameBytes })
  const listeners = new Map<number, (channel: Duplex) => void>()
  const common = { clock: realClock, logger: recordingLogger(), limits }
  const dialling = new ChannelManager({ ...common, carrier: left, accept: () => undefined })
  const accepting = new ChannelManager({ ...common, carrier: right, accept: (psm) => listeners.get(psm) })
  left.receive = (cid, payload) => dialling.receive(cid, payload)
  right.receive = (cid, payload) => accepting.receive(cid, payload)
  let lastPsm = 0x7f
  describeSocketFactory(label, {
    factory: {
      framing: 'bytes',
      schemes: ['l2cap'],
      open: async (url, { signal }) => {
        signal.throwIfAborted()
        return await dialling.open(Number(new URL(url).port), { signal })
      }
    },
    listen: async (accept) => {
      do lastPsm = lastPsm === 0xff ? 0x80 : lastPsm + 1
      while (listeners.has(lastPsm))
      const psm = lastPsm
      listeners.set(psm, accept)
      return { url: `l2cap://c0ffee000001:${psm}`, close: async () => void listeners.delete(psm) }
    }
  })
}

describeOver('L2CAP channels', {}, 1000)
describeOver('L2CAP channels with the smallest frames', { mtu: 23, mps: 23, credits: 3 }, 23)
