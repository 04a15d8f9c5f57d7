// One device of a test.
import { createIdentity } from '@kithmesh/identity'
import { mqtt } from '@kithmesh/provider-mqtt'
import { eventually, recordingContext } from '@kithmesh/testkit'

export const never = new AbortController().signal

export async function createDevice({ peerGroupId = 'com.example.shop', identity, ...options }) {
  const own = identity ?? (await createIdentity({ commonName: 'device' }))
  const context = recordingContext({ peerGroupId, localPeerId: own.peerId })
  const brokers = []
  const provider = mqtt({
    reconnectMs: 50,
    ...options,
    identity: own,
    onBrokers: (states) => brokers.splice(0, brokers.length, ...states)
  }).create(context)
  const channel = provider.signalingChannel()
  const device = {
    identity: own,
    peerId: own.peerId,
    context,
    provider,
    channel,
    brokers,
    names: () => [...context.peers.values()].map(({ displayName }) => displayName).sort(),
    publish: (displayName, metadata = new Map()) => provider.startPublishing({ displayName, port: 4984, metadata }),
    async online(displayName) {
      await Promise.all([provider.startBrowsing(), device.publish(displayName)])
      return device
    },
    async sees(...expected) {
      await eventually(`to see ${expected.join(' and ')}`, () => device.names().join() === expected.join())
    },
    /** A message to the other and back. */
    async echo(other) {
      await eventually('the other to be reachable', () => channel.reaches(other.peerId))
      const end = other.channel.onMessage((peerId, message) => {
        other.channel.send(peerId, message, { signal: never }).catch(() => {})
      })
      let heard = 0
      const listen = channel.onMessage(() => {
        heard++
      })
      // A device that has just connected again may not have subscribed yet: the broker says so, and who sends tries again.
      await eventually('the message to be taken', async () => {
        await channel.send(other.peerId, Buffer.from('echo'), { signal: never })
        return true
      })
      await eventually('the echo', () => heard > 0)
      end()
      listen()
    }
  }
  return device
}
