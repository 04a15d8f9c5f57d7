import { expect } from 'chai'
import { Association } from '../dist/association.js'
import { connectionIds } from '../dist/connection-ids.js'
import { HEADER_BYTES, PING, writeHeader } from '../dist/packet.js'

describe('an association that is over', () => {
  const options = {
    secret: Buffer.alloc(32, 7),
    maxDatagram: 1_200,
    windowBytes: 65_536,
    openTimeoutMs: 10_000,
    keepAliveMs: 5_000,
    idleTimeoutMs: 20_000
  }

  for (const end of ['cut', 'ended'] as const)
    it(`is closed at some time when it was ${end}, however long the other side goes on talking`, () => {
      const ours = new Association({ ...options, role: 'initiator' }, 0)
      const theirs = new Association({ ...options, role: 'responder' }, 0)
      const exchange = (now: number): void => {
        // Nothing more passes once it is over: the other side is left to those who go on talking.
        for (const [from, to] of [
          [ours, theirs],
          [theirs, ours]
        ] as const)
          for (let datagram = from.next(now); datagram !== undefined && ours.state !== 'lingering'; datagram = from.next(now))
            to.receive(datagram, now)
      }
      let now = 0
      for (; now < 1_000; now += 10) exchange(now)
      expect([ours.state, theirs.state]).to.deep.equal(['open', 'open'])
      if (end === 'cut') theirs.reset('enough', now)
      else for (const side of [ours, theirs]) side.end()
      for (let count = 0; ours.state === 'open' && count < 50; count++) exchange(++now)
      expect(ours.state).to.equal('lingering')

      const { ours: id } = connectionIds(options.secret, 'responder')
      for (let number = 10_000; number < 10_600; number++) {
        const ping = Buffer.alloc(HEADER_BYTES)
        writeHeader(ping, id, PING, number)
        now += 100
        ours.receive(ping, now)
        while (ours.next(now) !== undefined);
      }
      expect(ours.state).to.equal('closed')
    })
})
