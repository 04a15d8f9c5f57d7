import { getEventListeners } from 'node:events'
import { PassThrough } from 'node:stream'
import { waitFor, whenOpen } from '@kithmesh/core/plugin'
import { expect } from 'chai'
import { rejection } from '@kithmesh/testkit'

const enough = new Error('enough')

describe('waiting for what is told by callbacks', () => {
  let caller: AbortController
  let cleaned: number
  const cleanUp = (): void => {
    cleaned++
  }

  beforeEach(() => {
    caller = new AbortController()
    cleaned = 0
  })

  it('cleans up once, whatever ends it', async () => {
    const { signal } = caller
    const wait = (begin: (resolve: (value: number) => void, reject: (error: Error) => void) => void): Promise<number> =>
      waitFor<number>(signal, (resolve, reject) => {
        begin(resolve, reject)
        return cleanUp
      })
    expect(
      await wait((resolve) => {
        resolve(1)
        resolve(2)
      })
    ).to.equal(1)
    expect(cleaned).to.equal(1)
    expect(
      await wait((resolve) => {
        setImmediate(resolve, 3)
      })
    ).to.equal(3)
    expect(cleaned).to.equal(2)
    const error = new Error('no')
    expect(
      await rejection(
        wait((_resolve, reject) => {
          setImmediate(reject, error)
        })
      )
    ).to.equal(error)
    expect(cleaned).to.equal(3)
    const aborted = rejection(wait(() => {}))
    caller.abort(enough)
    expect(await aborted).to.equal(enough)
    expect(cleaned).to.equal(4)
    expect(getEventListeners(signal, 'abort')).to.have.length(0)
  })

  it('fails with what beginning throws, and does not begin when it is aborted already', async () => {
    const error = new Error('cannot begin')
    expect(
      await rejection(
        waitFor(caller.signal, () => {
          throw error
        })
      )
    ).to.equal(error)
    expect(getEventListeners(caller.signal, 'abort')).to.have.length(0)
    let begun = false
    const begin = (): undefined => {
      begun = true
    }
    expect(await rejection(waitFor(AbortSignal.abort(enough), begin))).to.equal(enough)
    expect(begun).to.equal(false)
  })
})

describe('waiting for a socket to be open', () => {
  const listeners = (socket: PassThrough): number[] => ['connect', 'error', 'close'].map((event) => socket.listenerCount(event))
  let caller: AbortController
  let socket: PassThrough
  let before: number[]

  beforeEach(() => {
    caller = new AbortController()
    socket = new PassThrough()
    before = listeners(socket)
  })
  afterEach('nothing listens to the caller any more', () => {
    expect(getEventListeners(caller.signal, 'abort')).to.have.length(0)
  })

  it('gives it back as it was', async () => {
    const open = whenOpen(socket, caller.signal)
    socket.emit('connect')
    expect(await open).to.equal(socket)
    expect(listeners(socket)).to.deep.equal(before)
    caller.abort(enough)
    expect(socket.destroyed).to.equal(false)
  })

  it('waits for TLS where that is meant', async () => {
    let open = false
    const opening = whenOpen(socket, caller.signal, 'secureConnect').then(() => {
      open = true
    })
    socket.emit('connect')
    await new Promise(setImmediate)
    expect(open).to.equal(false)
    socket.emit('secureConnect')
    await opening
  })

  it('destroys one that fails, and hears what else it says', async () => {
    const refused = new Error('refused')
    const opening = rejection(whenOpen(socket, caller.signal))
    socket.emit('error', refused)
    expect(socket.destroyed).to.equal(true)
    socket.emit('error', new Error('once more'))
    expect(await opening).to.equal(refused)
  })

  it('fails when it is closed without a word', async () => {
    const opening = rejection(whenOpen(socket, caller.signal))
    socket.destroy()
    expect((await opening).message).to.equal('the connection was closed at once')
  })

  it('destroys one that is not wanted any more, or was not from the start', async () => {
    const opening = rejection(whenOpen(socket, caller.signal))
    caller.abort(enough)
    expect(socket.destroyed).to.equal(true)
    expect(await opening).to.equal(enough)
    const another = new PassThrough()
    expect(await rejection(whenOpen(another, caller.signal))).to.equal(enough)
    expect(another.destroyed).to.equal(true)
    another.emit('error', new Error('too late'))
  })
})
