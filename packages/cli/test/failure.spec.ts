import { KithmeshError } from '@kithmesh/core'
import { expect } from 'chai'
import { reportFailure } from '../dist/failure.js'
import { makeIo } from './support/command.ts'

describe('why a command failed', () => {
  it('is told without anything of a server’s words that a terminal would obey', () => {
    const { io, stderr } = makeIo()
    const cause = new Error('the server said \u001b[2J\u009b31m\rdone\u202e')
    reportFailure(io, new KithmeshError('ERR_X', 'It broke at \u001b]0;x\u0007\nand there', { cause, hint: 'Try\u0000 again.' }), false)
    expect(stderr.text.split('\n')).to.deep.equal([
      'error It broke at ?]0;x?',
      'and there [ERR_X]',
      '  because: the server said ?[2J?31m?done?',
      '  hint: Try? again.',
      ''
    ])
  })
})
