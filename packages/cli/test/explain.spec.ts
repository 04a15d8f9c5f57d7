import { expect } from 'chai'
import type { Device, NetworkFacts } from '@kithmesh/core'
import { errorCode } from '@kithmesh/core'
import { chooseDevice } from '../dist/explain/find-device.js'
import { printTrial } from '../dist/explain/print-trial.js'
import type { Trial } from '../dist/explain/try-device.js'
import { makeIo } from './support/command.ts'

const device = (id: string, displayName: string): Device => ({ id, displayName, peers: [] })
const ID = `3fb1${'0'.repeat(60)}`

describe('kithmesh explain', () => {
  describe('whom a user means', () => {
    const devices = [device(ID, 'Shop till'), device(`3fb2${'0'.repeat(60)}`, 'store'), device('sighting:x', 'beef')]
    const chosen = (wanted: string): string | undefined => chooseDevice(devices, wanted)?.id

    it('is found by its name, whatever its capitals, or by the first digits of its id', () => {
      expect(chosen('shop TILL')).to.equal(ID)
      expect(chosen('3fb1')).to.equal(ID)
      expect(chosen(ID.toUpperCase())).to.equal(ID)
      expect(chosen('beef'), 'a name of hexadecimal digits').to.equal('sighting:x')
      expect(chosen('3fb'), 'too few digits').to.equal(undefined)
      expect(chosen('shop')).to.equal(undefined)
    })

    it('is asked for more precisely when there are several', () => {
      const twins = [device(ID, 'till'), device('a'.repeat(64), 'Till')]
      try {
        chooseDevice(twins, 'till')
        expect.fail('one was chosen')
      } catch (error) {
        expect(errorCode(error)).to.equal('ERR_CLI_USAGE')
        expect((error as { hint?: string }).hint).to.include('3fb100000000, aaaaaaaaaaaa')
      }
    })
  })

  describe('what is printed', () => {
    const network: NetworkFacts = { routes: [], measuredAt: 0 }
    const trial: Trial = {
      peerId: ID,
      name: 'till\u001b[31m',
      connected: true,
      route: 'direct 10.0.0.2:4984',
      report: {
        deviceId: ID,
        displayName: 'till',
        state: 'connected',
        startedAt: 0,
        elapsedMs: 12.4,
        route: 'direct 10.0.0.2:4984',
        attempts: [
          {
            strategy: 'turn',
            peerId: 'mqtt:x',
            provider: 'MQTT',
            address: undefined,
            phase: 'assess',
            state: 'skipped',
            startedAt: 0,
            elapsedMs: 0,
            code: undefined,
            message: 'no signalling\u0007 reaches it',
            hint: undefined
          }
        ],
        sightings: [{ peerId: 'x\u001b', provider: 'DNS-SD', connectable: false, url: undefined, addresses: [], signaling: true }]
      },
      identity: { state: 'yes' },
      here: { state: 'no', reason: 'it is blocked', code: 'ERR_X', hint: 'Let it in.' },
      there: { state: 'unknown' }
    }
    const print = (one: Trial, more = {}, colours = false): string => {
      const { io, stdout } = makeIo({ colours })
      printTrial(io, one, { json: false, own: true, network, ...more })
      return stdout.text
    }

    it('has no control characters of strangers, and every verdict with its hint', () => {
      const text = print(trial)
      expect(text).to.not.match(/[\u001b\u0007]/)
      expect(text.split('\n')).to.deep.equal([
        `till?[31m (${ID}): connected by direct 10.0.0.2:4984 after 12 ms`,
        'seen',
        '  DNS-SD  x?  (unresolved), not connectable now, with signalling',
        'tried',
        '  turn  MQTT  -  skipped (assess)  0 ms  -  no signalling? reaches it',
        'identity  it proved to be 3fb1000000000000…',
        'here      this side does not accept it: it is blocked [ERR_X]',
        '          hint: Let it in.',
        'there     whether it accepts this side is not known',
        ''
      ])
    })

    it('has colours where there are any', () => {
      expect(print(trial, {}, true)).to.include('\u001b[32mconnected\u001b[0m')
      expect(print({ ...trial, connected: false }, {}, true)).to.include('\u001b[31mnot connected\u001b[0m')
    })

    it('says nothing of trust where nobody was met', () => {
      const text = print({ ...trial, connected: false, identity: { state: 'no', reason: 'another certificate', code: 'ERR_Y' } })
      expect(text).to.include('identity  it did not prove to be the one: another certificate [ERR_Y]')
      expect(text).to.not.match(/^(here|there) /m)
    })
  })
})
