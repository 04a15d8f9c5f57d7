import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { KithmeshError, coreErrors, defineErrors, errorCode, isKithmeshError, lineLogger, silentLogger } from '@kithmesh/core'

const root = fileURLToPath(new URL('../../../', import.meta.url))

describe('errors', () => {
  const errors = defineErrors({ ERR_TEST_ONE: { when: 'W', hint: 'H' } })

  it('carry code, hint, cause and details', () => {
    const cause = new Error('deep')
    const error = errors.create('ERR_TEST_ONE', 'It broke', { cause, details: { size: 1 } })
    expect(error).to.be.instanceOf(Error)
    expect(error).to.include({ name: 'KithmeshError', code: 'ERR_TEST_ONE', message: 'It broke', hint: 'H', cause })
    expect(error.details).to.deep.equal({ size: 1 })
    expect(errors.create('ERR_TEST_ONE', 'x', { hint: 'other' }).hint).to.equal('other')
    expect('cause' in errors.create('ERR_TEST_ONE', 'x')).to.equal(false)
    expect(new KithmeshError('X', 'x').hint).to.equal('')
  })

  it('are recognised by brand and code, also those of another copy of the package', () => {
    const error = errors.create('ERR_TEST_ONE', 'x')
    const foreign = Object.assign(new Error('x'), { code: 'ERR_TEST_ONE', [Symbol.for('@kithmesh/core/error@1')]: true })
    expect(isKithmeshError(error)).to.equal(true)
    expect(isKithmeshError(foreign, 'ERR_TEST_ONE')).to.equal(true)
    expect(isKithmeshError(error, 'ERR_TEST_TWO')).to.equal(false)
    for (const other of [new Error('x'), null, undefined, 'x', { code: 'ERR_TEST_ONE' }]) expect(isKithmeshError(other)).to.equal(false)
    expect(errorCode(error)).to.equal('ERR_TEST_ONE')
    expect(errorCode({ code: 7 })).to.equal(undefined)
    expect(errorCode(undefined)).to.equal(undefined)
  })
})

describe('the error catalogue', () => {
  const source = readdirSync(`${root}packages/core/src`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && name !== 'errors.ts')
    .map((name) => readFileSync(`${root}packages/core/src/${name}`, 'utf8'))
    .join('\n')

  it('names every code as the rules want it, with when and hint', () => {
    for (const [code, { when, hint }] of Object.entries(coreErrors.catalogue)) {
      expect(code).to.match(/^ERR_(CORE|PD|ROUTE|SIGNAL|ADDRESS|ACCESS|INBOUND|KNOWN_PEERS)_[A-Z_]+$/)
      expect(when, code).to.match(/\.$/)
      expect(hint, code).to.match(/\.$/)
    }
  })

  /** Sent to a peer, who gets them in ERR_SIGNAL_REFUSED. */
  const peersCodes = new Set(['ERR_SIGNAL_UNKNOWN', 'ERR_SIGNAL_BUSY', 'ERR_SIGNAL_FAILED'])

  it('holds every code that the source mentions', () => {
    const mentioned = new Set(source.match(/\bERR_(?:CORE|PD|ROUTE|SIGNAL|ADDRESS|ACCESS|INBOUND|KNOWN_PEERS)_[A-Z_]+\b/g))
    expect([...mentioned].filter((code) => !(code in coreErrors.catalogue) && !peersCodes.has(code))).to.deep.equal([])
    expect(Object.keys(coreErrors.catalogue).filter((code) => !mentioned.has(code))).to.deep.equal([])
  })

  it('is documented', () => {
    const page = readFileSync(`${root}docs/errors.md`, 'utf8')
    for (const [code, { when, hint }] of Object.entries(coreErrors.catalogue)) {
      expect(page).to.include(`| \`${code}\` | ${when} | ${hint} |`)
    }
    expect(existsSync(`${root}tools/error-catalogue.mjs`)).to.equal(true)
  })

  it('has a tool that knows its options', () => {
    const help = execFileSync(process.execPath, [`${root}tools/error-catalogue.mjs`, '--help'], { encoding: 'utf8' })
    expect(help).to.include('--check')
  })
})

describe('lineLogger', () => {
  function subject(level?: 'debug' | 'info' | 'warn' | 'error') {
    const lines: string[] = []
    return {
      lines,
      logger: lineLogger(
        (line) => {
          lines.push(line)
        },
        level,
        'k',
        () => 0
      )
    }
  }

  it('writes a line per entry at or above its level', () => {
    const { lines, logger } = subject('warn')
    logger.debug('d')
    logger.info('i')
    logger.warn('w', { n: 1 })
    logger.child('part').error('e\nx')
    expect(lines).to.deep.equal(['1970-01-01T00:00:00.000Z warn k w {"n":1}', '1970-01-01T00:00:00.000Z error k:part e x'])
  })

  it('shows errors with codes and causes, and never throws on odd fields', () => {
    const { lines, logger } = subject()
    const circle: Record<string, unknown> = { name: 'c' }
    circle['self'] = circle
    const error = coreErrors.create('ERR_PD_METADATA', 'bad', { cause: new AggregateError([new Error('one')], 'several') })
    const same = { x: 1 }
    logger.info('m', {
      error,
      big: 10n,
      circle,
      twice: [same, same],
      bad: {
        toJSON() {
          throw new Error('no')
        }
      }
    })
    logger.info('m', { error, big: 10n, circle, twice: [same, same] })
    expect(lines[0]).to.include('unprintable')
    expect(lines[1])
      .to.include('"code":"ERR_PD_METADATA"')
      .and.to.include('"message":"one"')
      .and.to.include('"big":"10"')
      .and.to.include('"self":"[…]"')
      .and.to.include('"twice":[{"x":1},{"x":1}]')
  })

  it('lets what others named neither begin a line of its own nor command a terminal', () => {
    const { lines, logger } = subject()
    const evil = 'shop\r\n1970-01-01T00:00:00.000Z error k you were hacked\u001b[2J\u009b31m\u0085\u2028\u202eevil\u007f'
    logger.info(`seen ${evil}`, { name: evil, [evil]: new Error(evil) })
    expect(lines).to.have.length(1)
    expect(lines[0]).to.not.match(/[\p{Cc}\u2028\u2029\u202e]/u)
    const fields = JSON.parse(lines[0]!.slice(lines[0]!.indexOf('{'))) as Record<string, unknown>
    expect(fields['name'], 'and programs still read what it was').to.equal(evil)
  })

  it('has a silent sibling', () => {
    silentLogger.child('x').error('nothing happens')
  })
})
