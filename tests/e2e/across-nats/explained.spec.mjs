// Where nothing can work, people are told why and what to do.
import { expect } from 'chai'
import { Scene, connectedLinks, endScenes } from './scene.mjs'

describe('kithmesh sync across NATs: where nothing can work', () => {
  let scene
  beforeEach(async () => {
    scene = await Scene.create({ a: 'symmetric-random', b: 'symmetric-random' })
  })
  afterEach(endScenes)

  it('it says why, and what to do, in plain words', async () => {
    const [a, b] = [scene.sync('a', { relay: false, json: false }), scene.sync('b', { relay: false, json: false })]
    const [why, advice] = [
      'both routers pick random ports for each destination: only a relay can work',
      'No relay is configured on either side: give --turn'
    ]
    const text = await a.until(({ out }) => out.includes(why) && out.includes(advice) && out, 'a reason and an advice')
    const lines = text.split('\n').map((each) => each.trim())
    const row = (strategy) => lines.find((each) => each.startsWith(`${strategy} `))
    expect(lines.find((each) => each.startsWith('b ('))).to.match(/^b \([0-9a-f]{64}\): failed after \d+ ms$/)
    for (const strategy of ['direct', 'reverse', 'tcp-hole-punch', 'turn']) expect(row(strategy), text).to.match(/failed|skipped/)
    expect(row('tcp-hole-punch')).to.contain(why)
    expect(row('turn')).to.contain('Neither of the two devices has a relay')
    expect(await Promise.all([a.stop(), b.stop()])).to.deep.equal([0, 0])
  })

  it('and the same for machines', async () => {
    const [a, b] = [scene.sync('a', { relay: false }), scene.sync('b', { relay: false })]
    // What was tried before both had measured their networks failed for other reasons.
    const failed = ({ event, state, attempts }) =>
      event === 'report' && state === 'failed' && attempts.some(({ message }) => message?.includes('only a relay can work'))
    const report = await a.event(failed, 'a report of a failure that says why')
    expect(report).to.include({ deviceId: scene.ids.b, displayName: 'b' })
    const attempt = (name) => report.attempts.find(({ strategy }) => strategy === name)
    expect(report.attempts.map(({ strategy }) => strategy)).to.have.members(['direct', 'reverse', 'tcp-hole-punch', 'turn'])
    for (const { state, message } of report.attempts) {
      expect(state).to.be.oneOf(['failed', 'skipped'])
      expect(message).to.be.a('string').and.not.equal('')
    }
    expect(attempt('tcp-hole-punch').message).to.equal('both routers pick random ports for each destination: only a relay can work')
    expect(attempt('turn')).to.include({ code: 'ERR_TURN_NONE', message: 'Neither of the two devices has a relay' })
    expect(attempt('turn').hint).to.contain('--turn')
    expect(connectedLinks(a)).to.deep.equal([])
    expect(connectedLinks(b)).to.deep.equal([])
  })
})
