import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import { Database } from '@kithmesh/database'
import { manualClock } from '@kithmesh/testkit'
import { DialAttempt } from '../dist/link/dial-attempt.js'
import type { LinkEnvironment } from '../dist/link/link-environment.js'

describe('an attempt at a connection whose connector heeds no signal', () => {
  let database: Database
  beforeEach(async () => {
    database = await Database.open(':memory:')
  })
  afterEach(() => database.close())

  function started() {
    const clock = manualClock()
    const failures: (string | undefined)[] = []
    const dial = (): Promise<never> => new Promise(() => {})
    const environment = { clock, database, dial, directions: { push: true, pull: true } } as unknown as LinkEnvironment
    const attempt = new DialAttempt(environment, 'a'.repeat(64), 'a', {
      opened: () => {},
      failed: (error) => {
        failures.push(errorCode(error))
      }
    })
    attempt.start()
    return { clock, attempt, failures }
  }

  it('fails after its time', async () => {
    const { clock, failures } = started()
    await clock.advance(50_000)
    expect(failures).to.deep.equal(['ERR_MESH_DIAL_TIMEOUT'])
  })

  it('reports nothing once it was cancelled, and keeps no timer', async () => {
    const { clock, attempt, failures } = started()
    attempt.cancel()
    expect(clock.pending).to.equal(0)
    await clock.advance(60_000)
    expect(failures).to.deep.equal([])
  })
})
