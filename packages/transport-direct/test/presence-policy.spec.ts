import { expect } from 'chai'
import { errorCode, silentLogger, systemClock, type TransportContext } from '@kithmesh/core'
import { connectTarget, rejection, within } from '@kithmesh/testkit'
import { direct } from '@kithmesh/transport-direct'

describe('addresses that a device names at a broker', () => {
  const context = { logger: silentLogger, clock: systemClock } as unknown as TransportContext
  const network = { routes: [], port: 4984 }
  const { signal } = new AbortController()
  const dial = async (url: string, addresses: readonly string[], factory = direct(), withNetwork = true): Promise<Error> =>
    await within(
      rejection(
        factory
          .create(context)
          .attempt(connectTarget({ url, addresses, ...(withNetwork ? { network } : {}) }), { signal, progress: () => {} })
      ),
      5_000,
      'the attempt'
    )

  it('are not dialled where they lead into networks or to services that are none of ours', async () => {
    for (const address of ['10.255.77.1', '169.254.9.9', '100.64.0.1', '224.0.0.1', '0.0.0.0', '::ffff:127.0.0.1', 'fd00:dead::1'])
      expect(errorCode(await dial('wss://x.invalid:4984/', [address])), address).to.equal('ERR_DIRECT_POLICY')
    const error = await dial('wss://x.invalid:22/', ['127.0.0.1', '203.0.113.7'])
    expect(errorCode(error)).to.equal('ERR_DIRECT_POLICY')
    expect(error.message).to.include('port 22 belongs to a system service')
  })

  it('are dialled when they are of this machine, or a policy of the application says so', async () => {
    expect(errorCode(await dial('wss://x.invalid:1025/', ['127.0.0.1']))).to.equal('ERR_DIRECT_DIAL')
    const nobody = direct({ dialPolicy: { refuse: () => 'not today' } })
    expect((await dial('wss://x.invalid:1025/', ['127.0.0.1'], nobody)).message).to.include('127.0.0.1:1025: not today')
  })

  it('count against a rate for each device', async () => {
    const strategy = direct().create(context)
    const target = connectTarget({ url: 'wss://x.invalid:1025/', addresses: ['127.0.0.1'], network })
    const codes: unknown[] = []
    for (let count = 0; count < 31; count++)
      codes.push(errorCode(await rejection(strategy.attempt(target, { signal, progress: () => {} }))))
    expect(new Set(codes.slice(0, 30))).to.deep.equal(new Set(['ERR_DIRECT_DIAL']))
    expect(codes[30]).to.equal('ERR_DIRECT_POLICY')
  })

  it('are not dialled where the access lists refuse them, also when a name turns out to stand for them', async () => {
    const refuses = (address: string): string | undefined => (address === '127.0.0.1' || address === '::1' ? 'it is blocked' : undefined)
    for (const url of ['wss://127.0.0.1:1025/', 'wss://localhost:1025/']) {
      const attempt = direct()
        .create(context)
        .attempt({ ...connectTarget({ url, addresses: [] }), refuses }, { signal, progress: () => {} })
      const error = await within(rejection(attempt), 30_000, 'the attempt')
      expect(errorCode(error), url).to.equal('ERR_DIRECT_POLICY')
      expect(error.message).to.match(/1:1025: it is blocked/)
    }
    const attempt = direct()
      .create(context)
      .attempt(
        { ...connectTarget({ url: 'wss://x.invalid:1025/', addresses: ['127.0.0.1', '127.0.0.2'] }), refuses },
        { signal, progress: () => {} }
      )
    const error = await within(rejection(attempt), 30_000, 'the attempt')
    expect(errorCode(error), 'the other address is tried').to.equal('ERR_DIRECT_DIAL')
    expect(error.message).to.not.include('127.0.0.1:')
  })

  it('are another thing than those that this network itself tells', async () => {
    expect(errorCode(await dial('wss://x.invalid:23/', ['127.0.0.1'], direct(), false))).to.equal('ERR_DIRECT_DIAL')
  })
})
