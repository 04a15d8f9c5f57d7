import { getEventListeners } from 'node:events'
import { expect } from 'chai'
import { joinSignals } from '@kithmesh/core/plugin'

describe('joined signals', () => {
  it('abort with the reason of the first that does', () => {
    const [one, two] = [new AbortController(), new AbortController()]
    const joined = joinSignals(one.signal, undefined, two.signal)
    expect(joined.signal.aborted).to.equal(false)
    const reason = new Error('enough')
    two.abort(reason)
    one.abort(new Error('late'))
    expect(joined.signal.reason).to.equal(reason)
    expect(getEventListeners(one.signal, 'abort')).to.have.length(0)
  })

  it('are aborted when one of them is already', () => {
    const reason = new Error('long ago')
    const other = new AbortController()
    const joined = joinSignals(other.signal, AbortSignal.abort(reason), new AbortController().signal)
    expect(joined.signal.reason).to.equal(reason)
    expect(getEventListeners(other.signal, 'abort')).to.have.length(0)
  })

  it('follow nobody any more once released, and can still be aborted', () => {
    const source = new AbortController()
    const joined = joinSignals(source.signal)
    joined.release()
    joined.release()
    expect(getEventListeners(source.signal, 'abort')).to.have.length(0)
    source.abort(new Error('too late'))
    expect(joined.signal.aborted).to.equal(false)
    const own = new Error('own')
    joined.abort(own)
    expect(joined.signal.reason).to.equal(own)
  })
})
