import type { NetworkInterfaceInfo } from 'node:os'
import { expect } from 'chai'
import { systemClock } from '@kithmesh/core'
import type { NatBehaviour, NatDependence, NetworkFacts, NetworkProbe, NetworkRoute, PortAllocation } from '@kithmesh/core'
import { createIdentity } from '@kithmesh/identity'
import { natProbe } from '@kithmesh/stun'
import type { NatProbeOptions } from '@kithmesh/stun'
import { eventually, manualClock, recordingLogger } from '@kithmesh/testkit'
import { SimulatedNat, seeded } from './support/simulated-nat.ts'
import type { SimulatedNatOptions } from './support/simulated-nat.ts'
import { simulatedServers } from './support/simulated-servers.ts'
import type { ServerScript, SimulatedServers } from './support/simulated-servers.ts'

const local = '127.0.0.20'
const good: ServerScript[] = [{ address: '127.0.0.2', second: '127.0.0.3' }, { address: '127.0.0.4' }, { address: '127.0.0.5' }]

type NatKind = Omit<SimulatedNatOptions, 'random'>
const kind = (mapping: NatKind['mapping'], filtering: NatDependence, ports: PortAllocation = { kind: 'equal' }): NatKind => ({
  mapping,
  filtering,
  ports
})
const eim = 'endpoint-independent'
const adm = 'address-dependent'
const apdm = 'address-and-port-dependent'

describe('natProbe', () => {
  let logger = recordingLogger()
  let servers: SimulatedServers | undefined
  let probe: NetworkProbe | undefined

  afterEach(async () => {
    await probe?.shutdown()
    await servers?.[Symbol.asyncDispose]()
    servers = undefined
    probe = undefined
    logger = recordingLogger()
  })

  async function behind(nat: NatKind, scripts: readonly ServerScript[] = good, tcp: NatKind = nat): Promise<SimulatedServers> {
    const random = seeded(7)
    servers = await simulatedServers({ udp: new SimulatedNat({ ...nat, random }), tcp: new SimulatedNat({ ...tcp, random }) }, scripts)
    return servers
  }
  function make(options: Partial<NatProbeOptions> = {}): NetworkProbe {
    probe = natProbe({ servers: servers?.uris ?? [], localAddresses: [local], ...options }).create({ logger, clock: systemClock })
    return probe
  }
  async function measure(options: Partial<NatProbeOptions> = {}): Promise<NetworkRoute> {
    const facts = await make(options).measure({ signal: new AbortController().signal })
    expect(facts.routes).to.have.lengthOf(1)
    return facts.routes[0] as NetworkRoute
  }

  const kinds: [string, NatKind][] = [
    ['no NAT', kind('none', eim)],
    ['a firewall', kind('none', apdm)],
    ['full cone', kind(eim, eim)],
    ['address restricted', kind(eim, adm)],
    ['port restricted', kind(eim, apdm)],
    ['port restricted, preserving', kind(eim, apdm, { kind: 'preserving' })],
    ['port restricted, counting', kind(eim, apdm, { kind: 'independent', delta: 1 })],
    ['port restricted, counting with its neighbours', kind(eim, apdm, { kind: 'dependent', delta: 3 })],
    ['port restricted, random', kind(eim, apdm, { kind: 'random' })],
    ['address dependent, random', kind(adm, adm, { kind: 'random' })],
    ['address dependent, preserving', kind(adm, apdm, { kind: 'preserving' })],
    ['symmetric, counting', kind(apdm, apdm, { kind: 'independent', delta: 1 })],
    ['symmetric, counting down', kind(apdm, apdm, { kind: 'independent', delta: -2 })],
    ['symmetric, random', kind(apdm, apdm, { kind: 'random' })],
    ['symmetric that lets everybody in', kind(apdm, eim, { kind: 'random' })]
  ]
  for (const [name, nat] of kinds)
    for (const foreignFlowEvery of nat.ports.kind === 'independent' || nat.ports.kind === 'dependent' ? [undefined, 6] : [undefined])
      it(`finds out: ${name}${foreignFlowEvery === undefined ? '' : ', with others busy behind it'}`, async () => {
        await behind({ ...nat, ...(foreignFlowEvery === undefined ? {} : { foreignFlowEvery }) })
        const route = await measure()
        const expected: NatBehaviour = {
          mapping: nat.mapping,
          filtering: nat.filtering,
          ports: nat.mapping === 'none' ? { kind: 'equal' } : nat.ports
        }
        expect(route).to.deep.equal({
          interfaceIndex: 0,
          family: 4,
          localAddress: local,
          externalAddress: nat.mapping === 'none' ? local : '203.0.113.7',
          udp: expected,
          tcp: expected
        })
      })

  it('measures IPv6', async () => {
    await behind(kind('none', apdm), [{ address: '::1' }])
    const route = await measure({ localAddresses: ['::1'] })
    expect(route).to.include({ family: 6, externalAddress: '::1' })
    expect(route.udp).to.deep.equal({ mapping: 'none', filtering: 'unknown', ports: { kind: 'equal' } })
    expect(route.tcp.mapping).to.equal('none')
  })

  it('tells TCP from UDP, and does not take the filtering of one for that of the other then', async () => {
    await behind(kind(eim, adm), good, kind(apdm, apdm, { kind: 'random' }))
    const { udp, tcp } = await measure()
    expect(udp).to.deep.equal({ mapping: eim, filtering: adm, ports: { kind: 'equal' } })
    expect(tcp).to.deep.equal({ mapping: apdm, filtering: 'unknown', ports: { kind: 'random' } })
  })

  it('calls UDP blocked when nothing comes back over it, and measures TCP', async () => {
    await behind(
      kind(eim, apdm),
      good.map((script) => ({ ...script, silent: 'udp' }))
    )
    const { udp, tcp, externalAddress } = await measure()
    expect(udp).to.deep.equal({ mapping: 'blocked', filtering: 'unknown', ports: { kind: 'unknown' } })
    expect(tcp.mapping).to.equal(eim)
    expect(externalAddress).to.equal('203.0.113.7')
  })

  it('calls both blocked when nothing comes back at all', async () => {
    await behind(
      kind(eim, apdm),
      good.map((script) => ({ ...script, silent: 'both' }))
    )
    const { udp, tcp, externalAddress } = await measure({ deadlineMs: 600 })
    expect([udp.mapping, tcp.mapping, externalAddress]).to.deep.equal(['blocked', 'blocked', undefined])
  })

  it('takes as long as it may, by the clock it was given', async () => {
    await behind(
      kind(eim, apdm),
      good.map((script) => ({ ...script, silent: 'both' }))
    )
    const clock = manualClock()
    probe = natProbe({ servers: servers?.uris ?? [], localAddresses: [local], deadlineMs: 20_000 }).create({ logger, clock })
    let over = false
    const measured = probe.measure({ signal: new AbortController().signal }).finally(() => {
      over = true
    })
    await eventually(
      'the end',
      async () => {
        await clock.advance(100)
        return over
      },
      { everyMs: 0 }
    )
    expect((await measured).routes[0]?.udp.mapping).to.equal('blocked')
    expect(clock.monotonic()).to.be.within(2_100, 20_100)
  })

  it('measures from the ports it was given', async () => {
    const { contacted } = await behind(kind('none', eim), [{ address: '127.0.0.2' }, { address: '127.0.0.4' }])
    await measure({ localPorts: { low: 12_000, high: 13_000 } })
    expect(contacted).to.not.deep.equal([])
    for (const { from, protocol } of contacted) expect(from.port, protocol).to.be.within(12_000, 13_000)
  })

  it('does not call blocked what is refused: packets get there and back', async () => {
    await behind(
      kind(eim, apdm),
      good.map((script) => ({ ...script, tcp: false }))
    )
    const { udp, tcp } = await measure()
    expect(udp.mapping).to.equal(eim)
    expect(tcp).to.deep.equal({ mapping: 'unknown', filtering: 'unknown', ports: { kind: 'unknown' } })
  })

  it('knows less from servers with one address, and says so', async () => {
    await behind(kind(eim, apdm), [{ address: '127.0.0.2' }, { address: '127.0.0.4' }])
    expect((await measure()).udp).to.deep.equal({ mapping: eim, filtering: 'unknown', ports: { kind: 'equal' } })
  })

  it('knows from one server with two addresses as much as from three', async () => {
    await behind(kind(adm, adm, { kind: 'independent', delta: 1 }), [{ address: '127.0.0.2', second: '127.0.0.3' }])
    expect((await measure()).udp).to.deep.equal({ mapping: adm, filtering: adm, ports: { kind: 'independent', delta: 1 } })
  })

  it('understands servers of RFC 3489, and those that change only for them', async () => {
    await behind(kind(eim, adm), [{ address: '127.0.0.2', second: '127.0.0.3', old: true, change: 'legacy-only' }])
    expect((await measure()).udp).to.deep.include({ mapping: eim, filtering: adm })
  })

  const incapable: [string, Partial<ServerScript>][] = [
    ['ignores the request', { change: 'ignored' }],
    ['refuses it', { change: 'refused' }],
    ['has a second address that is down', { secondIsDown: true }],
    ['names a second address of no use', { other: { address: '0.0.0.0', port: 1 } }]
  ]
  for (const [what, script] of incapable)
    it(`does not take a server for a filter that ${what}`, async () => {
      await behind(kind(eim, eim), [{ address: '127.0.0.2', second: '127.0.0.3', ...script }, { address: '127.0.0.4' }])
      const { udp } = await measure()
      expect(udp).to.deep.include({ mapping: eim, filtering: 'unknown' })
    })

  it('tests the filter before the second address is contacted, from a port that contacts nothing else', async () => {
    const { contacted } = await behind(kind(eim, apdm))
    await measure()
    const counts = new Map<number, Set<string>>()
    for (const { protocol, from, to } of contacted) {
      if (protocol === 'udp') counts.set(from.port, (counts.get(from.port) ?? new Set()).add(`${to.address} ${to.port}`))
    }
    const several = [...counts.values()].filter((targets) => targets.size > 1)
    expect(several).to.have.lengthOf(1)
    const second = contacted.findIndex(({ protocol, to }) => protocol === 'udp' && to.address === '127.0.0.3')
    const firstOfFilter = contacted.findLastIndex(
      ({ protocol, to, from }) => protocol === 'udp' && to.address === '127.0.0.2' && counts.get(from.port)?.size === 1
    )
    expect(second).to.be.greaterThan(firstOfFilter)
  })

  it('outvotes a server that lies, and names it once', async () => {
    await behind(kind(eim, apdm), [
      ...good.slice(0, 2),
      { address: '127.0.0.6', mapped: ({ port }) => ({ address: '198.51.100.99', port }) }
    ])
    const route = await measure()
    expect(route).to.include({ externalAddress: '203.0.113.7' })
    expect(route.udp.mapping).to.equal(eim)
    await probe?.measure({ signal: new AbortController().signal })
    const warnings = logger.entries.filter(({ level }) => level === 'warn')
    expect(warnings).to.have.lengthOf(1)
    expect(warnings[0]?.fields).to.deep.include({ server: servers?.uris[2], localAddress: local })
  })

  it('knows no address when two servers contradict each other', async () => {
    await behind(kind(eim, apdm), [
      { address: '127.0.0.2' },
      { address: '127.0.0.4', mapped: ({ port }) => ({ address: '198.51.100.99', port }) }
    ])
    expect(await measure()).to.include({ externalAddress: undefined })
    expect(logger.entries.some(({ message }) => message.includes('contradict'))).to.equal(true)
  })

  it('asks servers over TLS alone when they are named so', async () => {
    const { privateKeyPem: key, certificatePem: cert } = await createIdentity({ commonName: 'localhost' })
    const tls = { key, cert }
    await behind(kind(eim, apdm), [
      { address: '127.0.0.2', tls },
      { address: '127.0.0.4', tls }
    ])
    const { udp, tcp } = await measure({ tls: { ca: cert, servername: 'localhost' } })
    expect(tcp).to.deep.include({ mapping: eim, ports: { kind: 'equal' } })
    expect(udp.mapping).to.equal('unknown')
  })

  it('is not held up by a server that is silent', async () => {
    await behind(kind(eim, apdm, { kind: 'random' }), [...good.slice(0, 2), { address: '127.0.0.6', silent: 'both' }])
    const { udp, tcp } = await measure()
    expect(udp).to.deep.equal({ mapping: eim, filtering: apdm, ports: { kind: 'random' } })
    expect(tcp).to.deep.equal(udp)
  })

  it('finds everything out in time over a network with a round trip of 150 ms', async () => {
    const scripts = good.map((script) => ({ ...script, delayMs: 150 }))
    const nat = kind(apdm, adm, { kind: 'random' })
    await behind(nat, scripts)
    const { udp, tcp } = await measure()
    expect(udp).to.deep.equal(nat)
    expect(tcp).to.deep.equal(nat)
  })

  it('says that it was cut off when its deadline came before the end, and not otherwise', async () => {
    await behind(kind(eim, apdm))
    const clock = manualClock()
    probe = natProbe({ servers: servers?.uris ?? [], localAddresses: [local] }).create({ logger, clock })
    const signal = new AbortController().signal
    const late = probe.measure({ signal })
    await clock.advance(2_000)
    expect((await late).cutOff).to.equal(true)
    expect(await make().measure({ signal })).to.not.have.property('cutOff')
  })

  it('asks no more than four servers of a family, and each once', async () => {
    const { uris, contacted } = await behind(
      kind(eim, apdm),
      Array.from({ length: 6 }, (_, index) => ({ address: `127.0.0.${index + 2}` }))
    )
    await measure({ servers: [...uris, ...uris] })
    expect(new Set(contacted.map(({ to }) => to.address))).to.have.property('size', 4)
  })

  it('has routes, with everything unknown, when no server is of their family', async () => {
    await behind(kind(eim, apdm))
    const facts = await make({ localAddresses: [local, '::1'] }).measure({ signal: new AbortController().signal })
    expect(facts.routes.map(({ family, udp, tcp }) => [family, udp.mapping, tcp.mapping])).to.deep.equal([
      [4, eim, eim],
      [6, 'unknown', 'unknown']
    ])
  })

  it('measures several addresses at once', async () => {
    await behind(kind(eim, apdm, { kind: 'preserving' }))
    const facts = await make({ localAddresses: [local, '127.0.0.21', '127.0.0.22'] }).measure({ signal: new AbortController().signal })
    expect(facts.routes.map(({ interfaceIndex, localAddress }) => [interfaceIndex, localAddress])).to.deep.equal([
      [0, local],
      [1, '127.0.0.21'],
      [2, '127.0.0.22']
    ])
    for (const { udp, tcp } of facts.routes) expect([udp.ports.kind, tcp.ports.kind]).to.deep.equal(['preserving', 'preserving'])
  })

  it('ends with the reason of the signal, and at a shutdown, and leaves no socket open', async () => {
    await behind(
      kind(eim, apdm),
      good.map((script) => ({ ...script, silent: 'both' }))
    )
    const inUse = (): number => process.getActiveResourcesInfo().filter((name) => name === 'UDPWrap' || name === 'TCPSocketWrap').length
    const before = inUse()
    const abort = new AbortController()
    const reason = new Error('enough')
    const aborted = make()
      .measure({ signal: abort.signal })
      .catch((error: unknown) => error)
    await eventually('requests to arrive', () => (servers?.contacted.length ?? 0) > 3)
    abort.abort(reason)
    expect(await aborted).to.equal(reason)
    const first = probe?.measure({ signal: new AbortController().signal }).catch(() => {})
    const waiting = new AbortController()
    const second = probe?.measure({ signal: waiting.signal }).catch((error: unknown) => error)
    waiting.abort(reason)
    expect(await second).to.equal(reason)
    const shutDown = probe?.measure({ signal: new AbortController().signal }).catch((error: unknown) => error)
    await probe?.shutdown()
    await first
    expect(await shutDown).to.have.property('name', 'AbortError')
    expect(await probe?.measure({ signal: new AbortController().signal }).catch((error: unknown) => error)).to.have.property(
      'name',
      'AbortError'
    )
    await eventually('all sockets to be closed', () => inUse() === before)
  })

  it('lets measurements take turns', async () => {
    await behind(kind(apdm, apdm, { kind: 'independent', delta: 1 }))
    make()
    const { signal } = new AbortController()
    const both = (await Promise.all([probe?.measure({ signal }), probe?.measure({ signal })])) as NetworkFacts[]
    for (const { routes } of both) expect(routes[0]?.udp.ports).to.deep.equal({ kind: 'independent', delta: 1 })
  })

  it('refuses options it cannot work with', () => {
    expect(() => natProbe({ servers: [] })).to.throw(TypeError)
    expect(() => natProbe({ servers: ['http://a'] }))
      .to.throw()
      .with.property('code', 'ERR_STUN_URI')
    expect(() => natProbe({ servers: ['stun:a'], localAddresses: ['a'] })).to.throw(TypeError)
    for (const localPorts of [
      { low: 5, high: 10 },
      { low: 0, high: 1_000 },
      { low: 1_000.5, high: 2_000 },
      { low: Number.NaN, high: 2_000 }
    ])
      expect(() => natProbe({ servers: ['stun:a'], localPorts })).to.throw(TypeError, 'localPorts')
    for (const name of ['deadlineMs', 'pollMs'])
      for (const value of [Number.NaN, 0, -1, 2 ** 31])
        expect(() => natProbe({ servers: ['stun:a'], [name]: value })).to.throw(TypeError, name)
  })
})

describe('natProbe and a machine whose network changes', () => {
  const info = (address: string, internal = false): NetworkInterfaceInfo => ({
    address,
    netmask: '',
    family: 'IPv4',
    mac: '',
    internal,
    cidr: null
  })

  it('tells when the addresses have changed, until nobody listens', async () => {
    const clock = manualClock()
    let table: Record<string, NetworkInterfaceInfo[]> = { eth0: [info('192.0.2.5')] }
    const probe = natProbe({ servers: ['stun:127.0.0.2'], networkInterfaces: () => table }).create({ logger: recordingLogger(), clock })
    let told = 0
    const stop = probe.onStale(() => {
      told++
      throw new Error('mine')
    })
    await clock.advance(20_000)
    expect(told).to.equal(0)
    table = { eth0: [info('192.0.2.5')], wlan0: [info('192.0.2.77')] }
    await clock.advance(5_000)
    await clock.advance(20_000)
    expect(told).to.equal(1)
    table = { lo: [info('127.0.0.1', true)], eth0: [info('192.0.2.5')], wlan0: [info('192.0.2.77')] }
    await clock.advance(5_000)
    expect(told).to.equal(1)
    stop()
    expect(clock.pending).to.equal(0)
    probe.onStale(() => {})
    await probe.shutdown()
    expect(clock.pending).to.equal(0)
  })

  it('looks as often as it is told to', async () => {
    const clock = manualClock()
    let table: Record<string, NetworkInterfaceInfo[]> = {}
    const options = { servers: ['stun:127.0.0.2'], networkInterfaces: () => table, pollMs: 60_000 }
    const probe = natProbe(options).create({ logger: recordingLogger(), clock })
    let told = 0
    probe.onStale(() => told++)
    table = { eth0: [info('192.0.2.5')] }
    await clock.advance(59_999)
    expect(told).to.equal(0)
    await clock.advance(1)
    expect(told).to.equal(1)
    await probe.shutdown()
  })
})
