import { expect } from 'chai'
import { isKithmeshError } from '@kithmesh/core'
import { measureNetworkTime } from '@kithmesh/network-clock'
import type { MeasureOptions, NetworkTime, NtpServerReport } from '@kithmesh/network-clock'
import { eventually, manualClock } from '@kithmesh/testkit'
import { replyTo, scriptedServer } from './support/scripted-server.ts'
import type { Script, ScriptedServer } from './support/scripted-server.ts'

describe('measuring the network time', () => {
  let servers: ScriptedServer[] = []

  afterEach(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]()
    servers = []
  })

  async function serve(...scripts: Script[]): Promise<string[]> {
    for (const [index, script] of scripts.entries()) servers.push(await scriptedServer(`127.0.0.${index + 2}`, script))
    return servers.map(({ name }) => name)
  }
  const outcomes = ({ servers: reports }: Pick<NetworkTime, 'servers'>): string[] => reports.map(({ outcome }) => outcome)
  async function failure(options: MeasureOptions): Promise<{ code: string; servers: readonly NtpServerReport[] }> {
    try {
      await measureNetworkTime(options)
    } catch (error) {
      if (!isKithmeshError(error)) throw error
      return { code: error.code, servers: error.details.servers as NtpServerReport[] }
    }
    throw new Error('it was measured')
  }
  const ahead = { aheadMs: 5_000 }
  /** Without this, a majority ends the measurement before the others have told anything. */
  const late = { delaysMs: [60] }

  it('finds the offset within the uncertainty it names', async () => {
    const time = await measureNetworkTime({ servers: await serve(ahead, ahead, ahead) })
    expect(Math.abs(time.offsetMs - 5_000)).to.be.at.most(time.uncertaintyMs + 2)
    expect(time.uncertaintyMs).to.be.greaterThan(0)
    expect(Math.abs(time.networkMs - (performance.timeOrigin + time.measuredAt + 5_000))).to.be.at.most(time.uncertaintyMs + 2)
  })

  it('finds it for clocks that are behind, and over IPv6', async () => {
    servers.push(await scriptedServer('::1', { aheadMs: -86_400_000 }))
    const time = await measureNetworkTime({ servers: servers.map(({ name }) => name) })
    expect(Math.abs(time.offsetMs + 86_400_000)).to.be.at.most(time.uncertaintyMs + 2)
    expect(time.servers[0]).to.include({ address: '::1', samples: 4, outcome: 'chosen', stratum: 2, reason: undefined })
  })

  it('takes the sample with the shortest round trip', async () => {
    const time = await measureNetworkTime({ servers: await serve({ ...ahead, wayBacksMs: [300, 0, 200, 250] }) })
    expect(time.servers[0]?.samples).to.equal(4)
    expect(time.servers[0]?.delayMs).to.be.lessThan(200)
    expect(Math.abs(time.offsetMs - 5_000)).to.be.at.most(time.uncertaintyMs + 2)
  })

  it('outvotes a server that lies', async () => {
    const time = await measureNetworkTime({ servers: await serve({ ...ahead, ...late }, { aheadMs: -3_600_000 }, { ...ahead, ...late }) })
    expect(Math.abs(time.offsetMs - 5_000)).to.be.at.most(time.uncertaintyMs + 2)
    expect(outcomes(time)[1]).to.equal('falseticker')
    expect(outcomes(time).filter((outcome) => outcome === 'chosen')).to.have.lengthOf(1)
  })

  it('does not wait for the rest when more than half agree', async () => {
    const time = await measureNetworkTime({ servers: await serve({}, silent, {}), deadlineMs: 60_000 })
    expect(outcomes(time)[1]).to.equal('unneeded')
  })

  it('makes do with those that answer', async () => {
    const time = await measureNetworkTime({ servers: await serve(silent, ahead, silent), deadlineMs: 450 })
    expect(Math.abs(time.offsetMs - 5_000)).to.be.at.most(time.uncertaintyMs + 2)
    expect(outcomes(time)).to.deep.equal(['unusable', 'chosen', 'unusable'])
    expect(time.servers[0]?.reason).to.equal('it did not answer in time')
  })

  it('fails within the deadline when none answers', async () => {
    const { code, servers: reports } = await failure({ servers: await serve(silent, silent), deadlineMs: 200 })
    expect(code).to.equal('ERR_NTP_NO_ANSWER')
    expect(reports.map(({ samples }) => samples)).to.deep.equal([0, 0])
  })

  it('ends at the deadline, by the clock it was given', async () => {
    const clock = manualClock()
    const names = await serve(silent)
    let over = false
    const failed = failure({ servers: names, clock, deadlineMs: 3_600_000 }).finally(() => {
      over = true
    })
    await clock.advance(3_599_999)
    expect(over).to.equal(false)
    await clock.advance(1)
    expect((await failed).code).to.equal('ERR_NTP_NO_ANSWER')
  })

  it('asks from the address it was given', async () => {
    await measureNetworkTime({ servers: await serve({}), localAddress: '127.0.0.9', samples: 1 })
    expect(servers[0]?.senders).to.deep.equal(['127.0.0.9'])
  })

  it('fails when two contradict each other', async () => {
    const { code, servers: reports } = await failure({ servers: await serve({}, ahead) })
    expect(code).to.equal('ERR_NTP_DISAGREEMENT')
    expect(reports.every(({ offsetMs }) => offsetMs !== undefined)).to.equal(true)
  })

  it('heeds a refusal, and does not ask such a server again', async () => {
    const names = await serve({ kiss: 'DENY' })
    const { servers: reports } = await failure({ servers: names })
    expect(reports[0]).to.include({ outcome: 'unusable', kiss: 'DENY' })
    expect(servers[0]?.requests).to.have.lengthOf(1)
  })

  it('keeps what a server told before it found itself asked too often', async () => {
    let replies = 0
    const names = await serve({
      ...ahead,
      distort: (reply, request) => (replies++ === 0 ? reply : replyTo(request, Date.now(), Date.now(), { kiss: 'RATE' }))
    })
    const time = await measureNetworkTime({ servers: names })
    expect(time.servers[0]).to.include({ outcome: 'chosen', kiss: 'RATE', samples: 1 })
    expect(servers[0]?.requests).to.have.lengthOf(2)
  })

  it('believes no refusal that does not answer a request', async () => {
    const names = await serve({
      ...ahead,
      distort: (reply, request) => [replyTo(Buffer.alloc(48), Date.now(), Date.now(), { kiss: 'DENY' }), request.subarray(0, 3), reply]
    })
    const time = await measureNetworkTime({ servers: names })
    expect(time.servers[0]).to.include({ outcome: 'chosen', kiss: undefined, samples: 4 })
  })

  const unusable: [string, Script, RegExp][] = [
    ['that repeat other random bytes', { distort: (reply) => Buffer.from(reply).fill(7, 24, 32) }, /none of our requests/],
    ['that are too short', { distort: (reply) => reply.subarray(0, 40) }, /40 bytes/],
    ['of a server that is not synchronised', { leap: 3 }, /not synchronised/],
    ['of stratum 16', { stratum: 16 }, /stratum is 16/],
    ['in the mode of a client', { mode: 3 }, /mode is 3/],
    ['that contradict themselves', { distort: (reply) => contradict(reply) }, /longer than the whole exchange/]
  ]
  for (const [what, script, reason] of unusable)
    it(`uses no replies ${what}`, async () => {
      // Time passes with what happens, so that a busy machine takes none of it away.
      const clock = manualClock()
      let over = false
      const failing = failure({ servers: await serve(script), deadlineMs: 450, clock }).finally(() => {
        over = true
      })
      while (!over) await clock.advance(1)
      const { code, servers: reports } = await failing
      expect(code).to.equal('ERR_NTP_NO_ANSWER')
      expect(reports[0]?.reason).to.match(reason)
    })

  it('counts a reply once', async () => {
    const time = await measureNetworkTime({ servers: await serve({ distort: (reply) => [reply, reply, reply] }), samples: 2 })
    expect(time.servers[0]?.samples).to.equal(2)
    expect(servers[0]?.requests).to.have.lengthOf(2)
  })

  it('sends every request with bytes of its own', async () => {
    await measureNetworkTime({ servers: await serve({}) })
    const tokens = servers[0]?.requests.map((request) => request.toString('hex', 40)) ?? []
    expect(new Set(tokens)).to.have.property('size', 4)
  })

  it('tells at once that nothing listens there', async () => {
    const [name = ''] = await serve({})
    await servers.pop()?.[Symbol.asyncDispose]()
    const { servers: reports } = await failure({ servers: [name], deadlineMs: 60_000 })
    expect(reports[0]?.reason).to.equal('nothing listens there')
  })

  it('gives a server that is named twice one vote', async () => {
    const [name = ''] = await serve(ahead)
    const time = await measureNetworkTime({ servers: [name, name, `ntp://${name}`] })
    expect(time.servers).to.have.lengthOf(1)
  })

  it('ends with the reason of the signal', async () => {
    const abort = new AbortController()
    const reason = new Error('enough')
    const measuring = measureNetworkTime({ servers: await serve(silent), signal: abort.signal, deadlineMs: 60_000 })
    abort.abort(reason)
    expect(await measuring.catch((error: unknown) => error)).to.equal(reason)
    expect(await measureNetworkTime({ servers: ['127.0.0.2:9'], signal: abort.signal }).catch((error: unknown) => error)).to.equal(reason)
  })

  it('leaves no socket open', async () => {
    const names = await serve(silent, { kiss: 'DENY' }, { leap: 3 })
    const inUse = (): string[] => process.getActiveResourcesInfo().filter((kind) => kind === 'UDPWRAP' || kind === 'UDPWrap')
    const withServers = inUse().length
    await failure({ servers: names, deadlineMs: 500 })
    await eventually('the sockets to be closed', () => inUse().length === withServers)
  })

  it('refuses what no measurement can be made with', async () => {
    const errors = await Promise.all(
      [
        { servers: [] },
        { samples: 0 },
        { samples: 9 },
        { deadlineMs: Number.NaN },
        { deadlineMs: 0 },
        { deadlineMs: 2 ** 31 },
        { localAddress: 'localhost' }
      ].map((options) => measureNetworkTime({ servers: ['127.0.0.2'], ...options }).catch((error: unknown) => error))
    )
    for (const error of errors) expect(error).to.be.instanceOf(TypeError)
    expect((await failure({ servers: ['a b'] })).code).to.equal('ERR_NTP_SERVER')
  })
})

const silent: Script = { distort: () => [] }

/** It arrived a minute before it was sent: no exchange takes that long. */
function contradict(reply: Buffer): Buffer {
  const packet = Buffer.from(reply)
  packet.writeUInt32BE(packet.readUInt32BE(32) - 60, 32)
  packet.fill(0, 16, 24)
  return packet
}
