import assert from 'node:assert/strict'
import { errorCode } from '@kithmesh/core'
import type { Runner } from '../runner.ts'
import type { SocketBench } from './bench.ts'

/** Opening, and not opening. */
export function openingChecks(
  bench: () => SocketBench,
  { describe, it }: Runner,
  options: { readonly schemes: readonly string[]; readonly silent: boolean }
): void {
  describe('opening', () => {
    it('takes URLs of its schemes', async () => {
      const { url } = await bench().listen()
      assert.ok(options.schemes.length > 0 && options.schemes.every((scheme) => /^[a-z][a-z0-9+.-]*$/.test(scheme)))
      assert.ok(options.schemes.includes(url.slice(0, url.indexOf(':'))))
    })
    it('gives one connection per call', async () => {
      const listener = await bench().listen()
      await bench().settles(Promise.all([bench().open(listener), bench().open(listener)]), 'two opens')
      await bench().eventually('two connections', () => bench().accepted.length >= 2)
      // What comes with a third one shows that nothing more was under way.
      const third = await bench().settles(bench().open(listener), 'the third open')
      third.start()
      third.send(Buffer.from('third'))
      await bench().eventually('its bytes', () => bench().accepted.some((line) => line.receivedBytes === 5))
      assert.equal(bench().accepted.length, 3)
    })
    it('rejects with a code and a cause when nobody listens', async () => {
      const listener = await bench().listen()
      await bench().settles(listener.close(), 'close')
      const error = await bench().rejection(bench().open(listener), 'open')
      assert.ok(error instanceof Error)
      assert.ok(errorCode(error) !== undefined, 'the error has no code')
      assert.ok(error.cause !== undefined, 'the error has no cause')
    })
    it('rejects, and does not throw, for what is no URL', async () => {
      await bench().rejection(bench().open({ url: 'nonsense' }), 'open')
    })
    it('rejects with the reason of a signal that has aborted, and connects nowhere', async () => {
      const listener = await bench().listen()
      const reason = new Error('changed my mind')
      assert.equal(await bench().rejection(bench().open(listener, AbortSignal.abort(reason)), 'open'), reason)
      await bench().settles(bench().open(listener), 'open')
      await bench().eventually('one connection', () => bench().accepted.length > 0)
      assert.equal(bench().accepted.length, 1)
    })
    it('rejects with the reason of a signal that aborts meanwhile, and leaves no connection', async () => {
      const listener = await bench().listen()
      const reason = new Error('changed my mind')
      const controller = new AbortController()
      const pending = bench().open(listener, controller.signal)
      controller.abort(reason)
      assert.equal(await bench().rejection(pending, 'open'), reason)
      await bench().settles(bench().open(listener), 'open')
      await bench().eventually('the other connection', () => bench().accepted.length > 0)
      await bench().eventually(
        'the cancelled connection to be gone',
        () => bench().accepted.filter((line) => line.closedCount === 0).length <= 1
      )
    })
    it('does not mind a signal that aborts later', async () => {
      const listener = await bench().listen()
      const controller = new AbortController()
      const dialled = await bench().settles(bench().open(listener, controller.signal), 'open')
      dialled.start()
      const accepted = await bench().eventually('the connection to be accepted', () => bench().accepted[0])
      controller.abort(new Error('too late'))
      dialled.send(Buffer.from('still here'))
      await bench().receives(accepted, Buffer.from('still here'))
      accepted.send(Buffer.from('me too'))
      await bench().receives(dialled, Buffer.from('me too'))
    })
    if (options.silent) {
      it('is cancelled while the other side says nothing', async () => {
        const listener = await bench().listenSilently()
        const reason = new Error('changed my mind')
        const controller = new AbortController()
        const rejection = bench().rejection(bench().open(listener, controller.signal), 'open')
        await bench().eventually('the connection', () => listener.connections() === 1)
        controller.abort(reason)
        assert.equal(await rejection, reason)
        await bench().eventually('the connection to be gone', () => listener.connections() === 0)
      })
    }
  })
}
