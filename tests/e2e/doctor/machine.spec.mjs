// What doctor says of the machine: avahi beside it, with and without sharing its port, firewalls, and a container's cable.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { startAvahi } from '../../interop/dnssd-avahi/avahi.mjs'
import { Cable } from '../../interop/dnssd-avahi/namespaces.mjs'
import { cleanUp, temporaryDirectory } from '../support/kithmesh.mjs'
import { doctor } from './findings.mjs'

describe('kithmesh doctor: the machine', () => {
  let cable
  let host
  beforeEach(async () => {
    cable = await Cable.create()
    host = cable.hosts[0]
  })
  afterEach(async () => {
    await cable?.[Symbol.asyncDispose]()
    await cleanUp()
  })

  const ask = (...words) => doctor(words, { host: host.namespace })
  const rules = (text) => {
    const file = join(temporaryDirectory(), 'rules')
    writeFileSync(file, text)
    host.command('nft', '-f', file)
  }

  it('names avahi, which shares the port, and hears its own multicast beside it', async () => {
    await startAvahi(host)
    const { about } = await ask('--network')
    expect(about('dns-sd port')).to.include({ state: 'ok' })
    expect(about('dns-sd port').message).to.match(/^UDP port 5353 is shared with avahi-daemon \(process \d+\) on /)
    expect(about('dns-sd port').details.holders.map(({ program }) => program)).to.deep.equal(['avahi-daemon'])
    expect(about(`multicast ${host.interface}`)).to.include({ state: 'ok' })
  })

  it('names avahi when it keeps the port to itself, and says how to change that', async () => {
    await startAvahi(host, { server: ['disallow-other-stacks=yes'] })
    const { about, code } = await ask('--network')
    expect(about('dns-sd port')).to.include({ state: 'problem', code: 'EADDRINUSE' })
    expect(about('dns-sd port').message).to.include('avahi-daemon (process ')
    expect(about('dns-sd port').hint).to.include('disallow-other-stacks=no')
    expect(about(`multicast ${host.interface}`)).to.include({ state: 'problem' })
    expect(code).to.equal(1)
  })

  it('nobody has the port where nobody is', async () => {
    expect((await ask()).about('dns-sd port')).to.include({ state: 'ok', message: 'nobody else has UDP port 5353' })
  })

  it('reads the rules of a firewall that keeps multicast out, and does not hear its own', async () => {
    rules(
      'table inet filter { chain input { type filter hook input priority 0; policy drop; ct state established accept; tcp dport 22 accept; }\n}\n'
    )
    const { about, code } = await ask('--network')
    expect(about('firewall')).to.include({ state: 'warning' })
    expect(about('firewall').message).to.include('no rule lets in UDP port 5353')
    expect(about(`multicast ${host.interface}`)).to.include({ state: 'problem' })
    expect(about(`multicast ${host.interface}`).hint).to.include('firewall')
    expect(code).to.equal(1)
  })

  it('and of one that lets it in', async () => {
    rules(
      'table inet filter { chain input { type filter hook input priority 0; policy drop; iifname "lo" accept; udp dport { 53, 5353 } accept; }\n}\n'
    )
    const { about } = await ask('--network')
    expect(about('firewall')).to.include({ state: 'ok' })
    expect(about('firewall').message).to.include('let in multicast DNS')
    expect(about(`multicast ${host.interface}`)).to.include({ state: 'ok' })
  })

  it('tells which IPv6 there is', async () => {
    expect((await ask()).about('ipv6').message).to.match(/fd77::1: unique local/)
    host.command('ip', 'address', 'add', '2001:db8:7::1/64', 'dev', host.interface, 'nodad')
    expect((await ask()).about('ipv6')).to.include({ state: 'warning' })
    host.command('ip', '-6', 'route', 'add', 'default', 'via', 'fd77::2')
    const { state, message } = (await ask()).about('ipv6')
    expect(state).to.equal('ok')
    expect(message).to.include(`with a way out by ${host.interface}`)
  })
})
