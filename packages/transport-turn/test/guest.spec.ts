import { systemClock, silentLogger, errorCode } from '@kithmesh/core'
import { rejection } from '@kithmesh/testkit'
import { expect } from 'chai'
import { goToRelay } from '../dist/guest.js'

describe('a guest that the dial policy keeps from an address', () => {
  /** Whether its own server was asked to connect there; and the error. */
  async function goTo(address: string): Promise<{ asked: boolean; code: string | undefined }> {
    let asked = false
    const error = await rejection(
      goToRelay({
        relay: { kind: 'tcp', address: { address, port: 50_000 }, stun: undefined } as never,
        secret: new Uint8Array(32),
        role: 'responder',
        refused: 'not here',
        known: [],
        tell: async () => {},
        allocate: async () => {
          asked = true
          throw new Error('no relay in this test')
        },
        clock: systemClock,
        logger: silentLogger,
        signal: new AbortController().signal,
        progress: () => {}
      })
    )
    return { asked, code: errorCode(error) }
  }

  for (const address of [
    '10.1.2.3',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    'fd00:ec2::254',
    'fe80::1',
    '224.0.0.251',
    '64:ff9b::a00:1',
    '0.0.0.0'
  ])
    it(`does not reach into the network of its own server either: ${address}`, async () => {
      expect(await goTo(address)).to.deep.equal({ asked: false, code: 'ERR_TURN_NOT_ALLOWED' })
    })

  it('has its own server connect to public addresses', async () => {
    expect(await goTo('203.0.113.9')).to.deep.equal({ asked: true, code: 'ERR_TURN_NOT_ALLOWED' })
  })
})
