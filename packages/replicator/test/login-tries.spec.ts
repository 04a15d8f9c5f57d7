import { basicAuthorization, passwordAuthenticator } from '@kithmesh/identity'
import { manualClock } from '@kithmesh/testkit'
import { expect } from 'chai'
import { LoginTries } from '../dist/listener/login-tries.js'

describe('logins at a listener', () => {
  function subject(rate = { burst: 20, perMinute: 6 }) {
    const clock = manualClock()
    const tries = new LoginTries(rate, clock)
    let asked = 0
    let atOnce = 0
    let most = 0
    const slow = passwordAuthenticator(async (_user, password) => {
      asked++
      most = Math.max(most, ++atOnce)
      await new Promise((resolve) => setImmediate(resolve))
      atOnce--
      return password === 'right'
    })
    const logIn = async (password: string, address = '192.0.2.1', authenticator = slow): Promise<string> => {
      const login = await tries.check(authenticator, basicAuthorization({ username: 'ann', password }), { address }, 15_000)
      return login === 'later' ? 'later' : login.user === undefined ? 'wrong' : 'in'
    }
    const count = (of: readonly string[]): Record<string, number> => {
      const counts: Record<string, number> = {}
      for (const each of of) counts[each] = (counts[each] ?? 0) + 1
      return counts
    }
    return { clock, logIn, count, facts: () => ({ asked, most }) }
  }

  it('that are right are all let in, however many come at once from one address and however slow the authenticator is', async () => {
    const { logIn, count, clock, facts } = subject()
    expect(count(await Promise.all(Array.from({ length: 60 }, () => logIn('right'))))).to.deep.equal({ in: 60 })
    expect(facts()).to.deep.equal({ asked: 60, most: 20 })
    expect(clock.pending, 'nothing is left').to.equal(0)
  })

  it('that are wrong are asked about as often as the rate allows, however many come at once', async () => {
    const { logIn, count, clock, facts } = subject()
    expect(count(await Promise.all(Array.from({ length: 60 }, () => logIn('wrong'))))).to.deep.equal({ wrong: 20, later: 40 })
    expect(facts().asked).to.equal(20)
    expect(clock.pending).to.equal(0)
  })

  it('that are right get in beside wrong ones as long as there is a try left', async () => {
    const { logIn, count, facts } = subject()
    const mixed = Array.from({ length: 80 }, (_, index) => logIn(index % 8 === 0 && index < 80 ? 'wrong' : 'right'))
    expect(count(await Promise.all(mixed))).to.deep.equal({ wrong: 10, in: 70 })
    expect(facts().asked).to.equal(80)
  })

  it('wait for others of their address only, and no longer than they may', async () => {
    const { logIn, count, clock } = subject({ burst: 20, perMinute: 0.001 })
    const stuck = passwordAuthenticator(() => new Promise<boolean>(() => {}))
    for (let index = 0; index < 20; index++) void logIn('right', '192.0.2.1', stuck)
    const waiting = Promise.all(Array.from({ length: 30 }, () => logIn('right')))
    expect(await logIn('right', '192.0.2.2')).to.equal('in')
    await clock.advance(14_999)
    expect(clock.pending).to.equal(30)
    await clock.advance(1)
    expect(count(await waiting)).to.deep.equal({ later: 30 })
    expect(clock.pending).to.equal(0)
  })

  it('go on after an authenticator that throws', async () => {
    const { logIn } = subject()
    const broken = { ...passwordAuthenticator(() => true), check: () => Promise.reject(new Error('down')) }
    for (let index = 0; index < 19; index++)
      expect(await logIn('x', '192.0.2.1', broken).catch((error: Error) => error.message)).to.equal('down')
    expect(await logIn('right')).to.equal('in')
  })
})
