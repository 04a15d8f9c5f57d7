import { eventually } from '@kithmesh/testkit'
import { silentLogger } from '@kithmesh/core'
import { expect } from 'chai'
import { loadBleno } from '../dist/library/load-bleno.js'
import { peripheralStack } from '../dist/publisher/peripheral-stack.js'
import { answeringStack } from './support/answering-stack.ts'

describe('the advertising interval', () => {
  for (const library of ['abandonware', 'stoprocent'] as const) {
    it(`is what was asked for, with ${library}, and every other command is left as it was`, async () => {
      const packets: Buffer[] = []
      const stack = answeringStack()
      const Base = stack.Socket as new () => { write(packet: Buffer): void }
      class Socket extends Base {
        override write(packet: Buffer): void {
          packets.push(packet)
          super.write(packet)
        }
      }
      const loaded = loadBleno(
        library,
        peripheralStack({ Socket, release: () => stack.release() }, { intervalMs: 250, refused: () => {}, notified: () => {} }),
        { logger: silentLogger }
      )
      try {
        loaded.start()
        const parameters = await eventually('the parameters to be set', () => packets.find((packet) => packet.readUInt16LE(1) === 0x2006))
        expect([parameters.readUInt16LE(4), parameters.readUInt16LE(6)]).to.deep.equal([400, 400])
        expect(parameters.toString('hex', 8)).to.equal('000000000000000000' + '0700')
        expect(packets.map((packet) => packet.readUInt16LE(1))).to.deep.equal(stack.commands)
      } finally {
        loaded.release()
      }
      expect(stack.released).to.equal(true)
    })
  }

  it('is one that controllers can do', () => {
    for (const ms of [0, 19, 10_241, Number.NaN])
      expect(() => peripheralStack(answeringStack(), { intervalMs: ms, refused: () => {}, notified: () => {} }), String(ms)).to.throw(
        TypeError
      )
    for (const ms of [20, 100, 10_240]) peripheralStack(answeringStack(), { intervalMs: ms, refused: () => {}, notified: () => {} })
  })
})
