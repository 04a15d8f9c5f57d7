import { expect } from 'chai'
import { RateHistory, sparkline, type Totals } from '../dist/page/rates.js'

const totals = (documentsIn: number, bytesIn = documentsIn * 100): Totals => ({ documentsIn, bytesIn, documentsOut: 0, bytesOut: 0 })
const at = (seconds: number): number => 1_000_000_000_000 + seconds * 1000

describe('rates of the page', () => {
  it('begin at the first totals, which tell nothing about time', () => {
    const history = new RateHistory(10)
    history.add(at(0), totals(5000))
    expect(history.series(at(0), 'documentsIn')).to.deep.equal(new Array(10).fill(0))
    expect(history.rate(at(0), 'documentsIn')).to.equal(0)
  })

  it('count what moved in each second, the current one last', () => {
    const history = new RateHistory(5)
    history.add(at(0), totals(0))
    history.add(at(0.3), totals(2))
    history.add(at(0.9), totals(3))
    history.add(at(2.5), totals(10))
    expect(history.series(at(2.9), 'documentsIn')).to.deep.equal([0, 0, 3, 0, 7])
    expect(history.series(at(3.1), 'documentsIn')).to.deep.equal([0, 3, 0, 7, 0])
    expect(history.series(at(3.1), 'bytesIn')).to.deep.equal([0, 300, 0, 700, 0])
    expect(history.rate(at(4), 'documentsIn', 4)).to.equal(2.5)
  })

  it('fall to nothing by themselves', () => {
    const history = new RateHistory(60)
    history.add(at(0), totals(0))
    history.add(at(1), totals(100))
    expect(history.rate(at(2), 'documentsIn')).to.be.greaterThan(0)
    expect(history.rate(at(20), 'documentsIn')).to.equal(0)
  })

  it('do not take what moved during a gap, or before a restart, for the doing of one second', () => {
    const history = new RateHistory(5)
    history.add(at(0), totals(0))
    history.add(at(1), totals(100_000), { resumed: true })
    history.add(at(2), totals(3))
    history.add(at(3), totals(4))
    expect(history.series(at(3), 'documentsIn')).to.deep.equal([0, 0, 0, 0, 1])
  })

  it('forget what is older than they show', () => {
    const history = new RateHistory(3)
    for (let second = 0; second < 100; second++) history.add(at(second), totals(second))
    expect(history.series(at(99), 'documentsIn')).to.deep.equal([1, 1, 1])
    expect(history.series(at(90), 'documentsIn')).to.deep.equal([0, 0, 0])
  })

  it('are drawn inside their box', () => {
    expect(sparkline([0, 5, 10], 100, 20)).to.equal('0,20 50,10 100,0')
    expect(sparkline([0, 0], 100, 20)).to.equal('0,20 100,20')
    expect(sparkline([7], 100, 20)).to.equal('0,0')
    expect(sparkline([50], 100, 20, 10)).to.equal('0,0')
  })
})
