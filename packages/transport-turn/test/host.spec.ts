import { hkdfSync, randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { eventually, realClock, recordingLogger } from '@kithmesh/testkit'
import type { Allocated } from '../dist/allocate.js'
import { RelayHost } from '../dist/host.js'

const address = { address: '127.0.0.1', port: 1 }

describe('who has a relay for connections', () => {
  const secret = randomBytes(32)
  const hello = Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), 'kithmesh transport-turn 1 guest', 32))
  let closed: number
  let accept: ((stream: Duplex, from: typeof address) => void) | undefined
  beforeEach(() => {
    closed = 0
    accept = undefined
  })

  function waits(signal: AbortSignal, deadlineMs = 60_000): RelayHost {
    const allocation = {
      relayed: address,
      ended: new Promise(() => {}),
      permit: async () => {},
      onConnection: (given: typeof accept) => {
        accept = given
        return () => {
          accept = undefined
        }
      }
    }
    const allocated = { kind: 'tcp', relay: { kind: 'tcp', address, stun: undefined }, allocation, close: async () => void closed++ }
    return new RelayHost({
      allocated: allocated as unknown as Allocated,
      secret,
      role: 'initiator',
      clock: realClock,
      logger: recordingLogger('turn'),
      signal,
      deadlineMs,
      progress: () => {}
    })
  }

  it('gives it back when the guest says who it is and is gone at once', async () => {
    const host = waits(new AbortController().signal, 1_000)
    const guest = new Duplex({
      read: () => {},
      write: (_chunk, _encoding, done) => {
        done(new Error('reset'))
      }
    })
    accept!(guest, address)
    guest.push(hello)
    const outcome = await host.stream.then(
      (stream) => {
        stream.on('error', () => {})
        return 'stream'
      },
      (error: unknown) => errorCode(error)
    )
    expect(outcome).to.be.oneOf(['stream', 'ERR_TURN_CONNECT'])
    await eventually('the relay to be given back', () => closed > 0)
    await host.over
  })

  it('is told at once when it is cancelled, also by a server that is gone', async () => {
    const controller = new AbortController()
    const host = waits(controller.signal)
    controller.abort(new Error('enough'))
    const reason = await host.stream.catch((error: unknown) => error)
    expect(reason).to.equal(controller.signal.reason)
    await host.over
    expect(closed).to.equal(1)
  })
})
