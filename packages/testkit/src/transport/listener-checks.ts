import assert from 'node:assert/strict'
import { errorCode } from '@kithmesh/core'
import { assertCode } from '../explain.ts'
import type { DeclaringRunner } from '../runner.ts'
import { type TransportBench, connectTarget } from './bench.ts'

/** The passive side of strategies that have one. */
export function listenerChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  describe('listener', () => {
    it('says where it listens', async () => {
      await bench().listen('b')
      const { port, addresses } = bench().listeners[0] as NonNullable<(typeof TransportBench.prototype.listeners)[0]>
      assert.ok(port === undefined || (Number.isInteger(port) && port >= 1 && port <= 65_535), `the port is ${port}`)
      assert.ok(Array.isArray(addresses), 'addresses is no array; it may be empty')
      for (const address of addresses) assert.match(address, /^\S+:\d+$/, `${JSON.stringify(address)} of addresses is not host:port`)
    })
    it('can still be asked where it listened when it is closed', async () => {
      const { close } = await bench().listen('b')
      await bench().settles(close(), 'close')
      assert.ok(Array.isArray(bench().listeners[0]?.addresses))
    })
    it('says where a stream came from', async () => {
      await bench().connect('a')
      assert.equal(bench().remotes.length, 1)
      assert.match(String(bench().remotes[0]), /\S/)
      assert.equal(typeof bench().remotes[0], 'string', 'onConnection was not told by a string where the stream comes from')
    })
    it('hands over each stream once', async () => {
      const { dialled, accepted } = await bench().connect('a')
      await bench().carries(dialled, accepted, 'ping')
      await bench().carries(accepted, dialled, 'pong')
      assert.equal(bench().accepted.length, 1, `one stream was handed over ${bench().accepted.length} times`)
    })
    it('closes more than once', async () => {
      const { close } = await bench().listen('b')
      await bench().settles(Promise.all([close(), close()]), 'two closes')
      await bench().settles(close(), 'the third close')
    })
    it('accepts nobody once it is closed', async () => {
      const { resolved, close } = await bench().listen('b')
      await bench().settles(close(), 'close')
      await bench().rejection(bench().attempt('a', resolved), 'attempt')
      assert.equal(bench().accepted.length, 0, 'a stream was accepted after close')
    })
    it('can be opened again after it was closed', async () => {
      for (let round = 0; round < 2; round++) {
        const { dialled, accepted, passive } = await bench().connect('a')
        await bench().carries(dialled, accepted, `round ${round}`)
        await bench().settles(passive.close(), 'close')
      }
    })
    it('leaves accepted streams alone when it closes', async () => {
      const { dialled, accepted, passive } = await bench().connect('a')
      await bench().settles(passive.close(), 'close')
      await bench().carries(dialled, accepted, 'still here')
      await bench().carries(accepted, dialled, 'me too')
    })
    it('settles an attempt that is under way when it closes', async () => {
      const { resolved, close } = await bench().listen('b')
      const outcome = bench()
        .attempt('a', resolved)
        .then(
          () => 'open',
          (error: unknown) => errorCode(error) ?? 'no code'
        )
      await bench().settles(close(), 'close')
      const { length } = bench().accepted
      assert.match(await bench().settles(outcome, 'the attempt'), /^(open|ERR_[A-Z0-9_]+)$/)
      assert.equal(bench().accepted.length, length, 'a stream was accepted after close')
    })
    it('works beside a second one on the same machine', async () => {
      const first = await bench().listen('b')
      const second = await bench().listen('b')
      await bench().settles(first.close(), 'close')
      await bench().settles(bench().attempt('a', second.resolved), 'attempt')
      await bench().eventually('the stream to be accepted', () => bench().accepted.length === 1)
    })
    it('works on both machines', async () => {
      const [a, b] = [await bench().listen('a'), await bench().listen('b')]
      await bench().settles(bench().attempt('a', b.resolved), 'attempt')
      await bench().eventually('it to be accepted', () => bench().accepted.length === 1)
      await bench().settles(bench().attempt('b', a.resolved), 'the way back')
      await bench().eventually('that to be accepted, too', () => bench().accepted.length === 2)
    })
    it('lets its owner destroy a stream at once', async () => {
      bench().onAccepted = (line) => {
        line.cut()
      }
      const { resolved } = await bench().listen('b')
      const line = await bench().settles(
        bench()
          .attempt('a', resolved)
          .catch(() => undefined),
        'attempt'
      )
      if (line !== undefined) await bench().eventually('the end to be noticed', () => line.closedCount === 1)
      bench().onAccepted = undefined
      const { length } = bench().accepted
      const dialled = await bench().settles(bench().attempt('a', resolved), 'another attempt')
      await bench().carries(dialled, await bench().eventually('it to be accepted', () => bench().accepted[length]), 'welcome back')
    })
    it('is closed by shutdown', async () => {
      const { resolved } = await bench().listen('b')
      await bench().settles(bench().strategy('b').shutdown(), 'shutdown')
      await bench().rejection(bench().attempt('a', resolved), 'attempt')
    })
    it('can be closed after shutdown', async () => {
      const { close } = await bench().listen('b')
      await bench().settles(bench().strategy('b').shutdown(), 'shutdown')
      await bench().settles(close(), 'close')
    })
    it('is refused with a code after shutdown', async () => {
      const strategy = bench().strategy('b')
      await bench().settles(strategy.shutdown(), 'shutdown')
      const error = await bench().rejection(
        Promise.resolve().then(() => strategy.listen?.({ onConnection: (socket) => socket.destroy() })),
        'listen after shutdown'
      )
      assertCode(error, 'listen')
    })
  })
}

/** What strangers send over signalling, made of what was really sent. */
export function strangerChecks(bench: () => TransportBench, { describe, it }: DeclaringRunner): void {
  const isOfNoAvail = async (forge: (message: Uint8Array) => readonly Uint8Array[]): Promise<void> => {
    const { resolved } = await bench().listen('b')
    const first = await bench().settles(bench().attempt('a', resolved), 'attempt')
    // What is cut before the other machine has it may never be accepted.
    await bench().eventually('the stream to be accepted', () => bench().accepted.length === 1)
    first.cut()
    await bench().eventually('the stream to be gone', () => bench().open === 0)
    const stranger = bench().stranger()
    const { signal } = new AbortController()
    for (const { to, message } of [...bench().signalled]) for (const forged of forge(message)) await stranger.send(to, forged, { signal })
    const dialled = await bench().settles(bench().attempt('a', resolved), 'an attempt afterwards')
    dialled.send(Buffer.from('survivor'))
    await bench().eventually('its bytes to arrive', () => bench().accepted.some((line) => line.receivedBytes === 8))
    // Some strategies connect to whoever asks; such a stream leads nowhere and must be gone soon.
    await bench().eventually('streams of the stranger to be gone', () => bench().open === 1)
  }
  describe('a stranger', () => {
    it('that repeats what others sent is of no avail', async () => {
      await isOfNoAvail((message) => [message, message])
    })
    it('that sends damaged messages disturbs nobody', async () => {
      await isOfNoAvail((message) => [
        message.subarray(0, message.length >> 1),
        Uint8Array.from(message, (byte, index) => (index % 7 === 3 ? byte ^ 0x41 : byte)),
        new Uint8Array(0),
        Uint8Array.from(message, () => 0x7b),
        Buffer.concat([message, message])
      ])
    })
    it('is not connected to in the place of another device', async () => {
      const { resolved } = await bench().listen('b')
      const target = connectTarget(resolved, 'nobody')
      const assessment = bench().strategy('a').assess(target)
      // Where addresses alone decide, TLS tells who answers; whoever asks by signalling must not get another device.
      if (bench().signalled.length === 0 && resolved.network === undefined) return
      if (!assessment.usable) return
      const error = await bench().rejection(bench().attempt('a', resolved, { to: 'nobody' }), 'attempt')
      assertCode(error, 'attempt')
      assert.equal(bench().accepted.length, 0)
    })
  })
}
