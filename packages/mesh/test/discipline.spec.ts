import { silentLogger, systemClock } from '@kithmesh/core/plugin'
import { blipErrors } from '@kithmesh/blip'
import { replicatorErrors } from '@kithmesh/replicator'
import { expect } from 'chai'
import { Discipline } from '../dist/engine/discipline.js'
import { Quarantine } from '../dist/topology/quarantine.js'

const ID = 'ab'.repeat(32)

describe('the end of a connection as an offence', () => {
  let away: string[]
  let discipline: Discipline

  beforeEach(() => {
    away = []
    discipline = new Discipline(new Quarantine(), systemClock, silentLogger, {
      quarantined: ({ id, kind, detail }) => {
        away.push(`${id} ${kind} ${detail}`)
      }
    })
  })

  const endsWith = (error: Error | undefined): void => {
    for (let n = 0; n < 10; n++) discipline.ended(ID, error)
  }

  it('is one when the bytes were no BLIP, whatever error that is wrapped in', () => {
    const cause = blipErrors.create('ERR_BLIP_CHECKSUM', 'The checksum is wrong')
    endsWith(replicatorErrors.create('ERR_REPL_CLOSED', 'The peer closed the connection (1002)', { cause }))
    expect(away).to.deep.equal([`${ID} malformed The checksum is wrong`])
    expect(discipline.of(ID)?.code).to.equal('ERR_MESH_QUARANTINED')
  })

  it('is none when a connection was lost or ended in order', () => {
    const loss = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    endsWith(replicatorErrors.create('ERR_REPL_CLOSED', 'The peer closed the connection (1006)', { cause: loss }))
    endsWith(undefined)
    expect(away).to.deep.equal([])
  })

  it('ends at causes that go round in circles', () => {
    const error = new Error('one')
    error.cause = new Error('other', { cause: error })
    endsWith(error)
    expect(away).to.deep.equal([])
  })
})
