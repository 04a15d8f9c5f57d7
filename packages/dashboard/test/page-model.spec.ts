import { expect } from 'chai'
import { deviceChanges, PageModel, sentence } from '../dist/page/model.js'
import { isConnected, lookOf, meaningOf } from '../dist/page/palette.js'
import { away, device, pageState, peerId } from './support/page-states.ts'

const traffic = (documentsIn: number) => ({ documentsIn, documentsOut: 0, bytesIn: 0, bytesOut: 0 })

describe('what the page knows', () => {
  it('is the latest state; an older one that comes late is left out, that of another run is not', () => {
    const model = new PageModel()
    model.take({ type: 'state', data: pageState([], { at: 2000 }) }, 1)
    model.take({ type: 'state', data: pageState([device('late')], { at: 1000 }) }, 2)
    expect(model.state?.devices).to.deep.equal([])
    model.take({ type: 'state', data: pageState([device('other')], { at: 500, startedAt: 400 }) }, 3)
    expect(model.state?.devices).to.have.length(1)
    expect(model.activity).to.deep.equal([])
  })

  it('includes how fast things move, in all and by device', () => {
    const model = new PageModel()
    const state = (at: number, documentsIn: number) =>
      pageState([device('shop', { traffic: traffic(documentsIn) })], {
        at,
        statistics: { ...traffic(documentsIn), conflicts: 0, rate: traffic(0) }
      })
    model.take({ type: 'state', data: state(1, 1000) }, 10_000)
    model.take({ type: 'state', data: state(2, 1004) }, 10_500)
    expect(model.total.series(10_900, 'documentsIn').at(-1)).to.equal(4)
    expect(model.history(peerId('shop'))?.series(10_900, 'documentsIn').at(-1)).to.equal(4)
    model.interrupted()
    model.take({ type: 'state', data: state(3, 9000) }, 11_500)
    expect(model.total.series(11_900, 'documentsIn').at(-1)).to.equal(0)
    model.take({ type: 'state', data: pageState([], { at: 4 }) }, 12_000)
    expect(model.history(peerId('shop'))).to.equal(undefined)
  })

  it('includes what happened, newest first and not without end', () => {
    const model = new PageModel()
    const notice = { deviceId: peerId('shop'), displayName: 'shop', in: 1, out: 0, failed: 0, documents: [] }
    for (let at = 0; at < 1000; at++) model.take({ type: 'documents', data: { at, ...notice } }, at)
    expect(model.activity).to.have.length(300)
    expect(model.activity[0]).to.include({ kind: 'documents', at: 999 })
    expect(new Set(model.activity.map(({ key }) => key)).size).to.equal(300)
  })

  it('tells in words what became of devices, and nothing about every attempt', () => {
    const texts = (before: Parameters<typeof pageState>[0], after: Parameters<typeof pageState>[0]) =>
      deviceChanges(pageState(before), pageState(after)).map((change) => sentence(change))
    const offline = device('shop', { ...away, state: 'offline', error: { code: 'ERR_X', message: 'It was switched off', hint: null } })
    expect(texts([], [device('shop')])).to.deep.equal(['shop is connected, direct'])
    expect(texts([offline], [device('shop')])).to.deep.equal(['shop is connected, direct'])
    expect(texts([device('shop')], [offline])).to.deep.equal(['shop is not connected any more: It was switched off'])
    expect(texts([device('shop')], [])).to.deep.equal(['shop is not connected any more'])
    expect(texts([offline], [])).to.deep.equal(['shop is gone'])
    expect(texts([], [offline])).to.deep.equal(['shop was found'])
    expect(texts([device('shop')], [device('shop', { state: 'busy' })])).to.deep.equal([])
    expect(texts([offline], [{ ...offline, state: 'connecting' }])).to.deep.equal([])
    expect(texts([device('shop', { transport: 'turn', route: 'turn x' })], [device('shop')])).to.deep.equal([
      'shop has moved to another route, direct'
    ])
    expect(texts([device('shop')], [device('shop', { state: 'restricted' })])).to.deep.equal(['shop: not trusted'])
    expect(texts([device('shop', { state: 'restricted' })], [device('shop')])).to.deep.equal(['shop is connected, direct'])
  })

  it('follows a name that comes after the connection', () => {
    const model = new PageModel()
    model.take({ type: 'state', data: pageState([], { at: 1 }) }, 1)
    model.take({ type: 'state', data: pageState([device('shop', { displayName: '' })], { at: 2 }) }, 2)
    const told = model.activity.find(({ kind }) => kind === 'device')
    if (told?.kind !== 'device') throw new Error('nothing was told')
    expect(sentence(told, model.nameOf(told.deviceId))).to.equal(`${peerId('shop').slice(0, 8)} is connected, direct`)
    model.take({ type: 'state', data: pageState([device('shop')], { at: 3 }) }, 3)
    expect(sentence(told, model.nameOf(told.deviceId))).to.equal('shop is connected, direct')
    expect(model.activity.filter(({ kind }) => kind === 'device')).to.deep.equal([told])
  })

  it('has words for states and transports that it has never heard of', () => {
    expect(meaningOf('idle')).to.include({ label: 'In step', tone: 'good' })
    expect(meaningOf('toString')).to.include({ label: 'toString', tone: 'quiet' })
    expect(lookOf('BluetoothLE')).to.include({ colour: 5 })
    expect(lookOf('constructor')).to.include({ colour: 6, label: 'constructor' })
    expect(lookOf(null)).to.include({ colour: 6 })
    expect((['idle', 'busy', 'restricted', 'offline', 'standby'] as const).map((state) => isConnected({ state }))).to.deep.equal([
      true,
      true,
      true,
      false,
      false
    ])
  })
})
