import { createSocket } from 'node:dgram'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect } from 'chai'
import { type FirewallEvidence, firewallEvidence } from '../dist/doctor/evidence/firewall.js'
import { type MdnsPortEvidence, mdnsPortEvidence, readLsof } from '../dist/doctor/evidence/mdns-port.js'
import { type NetworkLink, surroundings } from '../dist/doctor/evidence/surroundings.js'
import { judgeFirewall } from '../dist/doctor/firewall.js'
import { ipv6Evidence, judgeIpv6 } from '../dist/doctor/ipv6.js'
import { judgeMdnsPort } from '../dist/doctor/mdns-port.js'
import { readIptables, readNftables } from '../dist/doctor/packet-filter.js'
import { judgeSurroundings } from '../dist/doctor/surroundings.js'
import { temporaryDirectories } from './support/command.ts'
import { info } from './support/interface-info.ts'

const temporary = temporaryDirectories()

/** A root directory with these files; a text that begins with `->` makes a symbolic link. */
function rootWith(files: Readonly<Record<string, string>>): string {
  const root = temporary.make()
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, name)
    mkdirSync(dirname(path), { recursive: true })
    if (text.startsWith('->')) symlinkSync(text.slice(2), path)
    else writeFileSync(path, text)
  }
  return root
}

describe('kithmesh doctor: this machine', () => {
  afterEach(() => {
    temporary.clean()
  })

  describe('containers, virtual machines and bridges', () => {
    const link = (name: string, kind: NetworkLink['kind'], ...addresses: string[]): NetworkLink => ({
      name,
      kind,
      addresses,
      internal: false
    })
    const lo: NetworkLink = { name: 'lo', kind: 'unknown', addresses: ['127.0.0.1'], internal: true }
    const judge = (links: readonly NetworkLink[], more: { container?: string; kernel?: string } = {}) =>
      judgeSurroundings({ container: more.container, kernel: more.kernel ?? 'Linux version 6.1', links })

    it('a machine of its own has nothing to tell', () => {
      expect(judge([lo, link('eth0', 'device', '192.168.1.5')])).to.deep.equal([])
    })

    it('a container behind the bridge of its host finds nobody outside', () => {
      const [finding] = judge([lo, link('eth0', 'virtual-cable', '172.17.0.2')], { container: 'Docker (/.dockerenv)' })
      expect(finding).to.include({ check: 'container', state: 'warning' })
      expect(finding?.message).to.include('eth0 172.17.0.2')
      expect(finding?.hint).to.match(/--network host.*--broker/)
    })

    it('a container with the network of its host is fine', () => {
      const findings = judge([lo, link('eth0', 'device', '192.168.1.5')], { container: 'Docker (/.dockerenv)' })
      expect(findings.map(({ state }) => state)).to.deep.equal(['ok'])
    })

    it('bridges are named, with the interfaces that matter', () => {
      const [finding] = judge([
        lo,
        link('eth0', 'device', '192.168.1.5'),
        link('docker0', 'bridge', '172.17.0.1', 'fe80::42'),
        link('veth12', 'virtual-cable', 'fe80::1')
      ])
      expect(finding).to.include({ check: 'bridges', state: 'ok' })
      expect(finding?.message).to.match(/^docker0 172\.17\.0\.1: /)
      expect(finding?.hint).to.include('--interface eth0.')
    })

    it('a bridge that leads outside is not one of those', () => {
      expect(judge([lo, link('br0', 'bridge', '192.168.1.5')])).to.deep.equal([])
    })

    it('Linux on Windows is behind a NAT, unless mirrored', () => {
      const kernel = 'Linux version 5.15.90.1-microsoft-standard-WSL2 (gcc)'
      const [behind] = judge([lo, link('eth0', 'device', '172.29.1.2')], { kernel })
      expect(behind).to.include({ check: 'wsl', state: 'warning' })
      expect(behind?.hint).to.include('networkingMode=mirrored')
      expect(judge([lo, link('loopback0', 'unknown'), link('eth0', 'device', '192.168.1.5')], { kernel })[0]).to.include({
        check: 'wsl',
        state: 'ok'
      })
    })

    it('the NAT of a virtual machine, and tunnels, are told', () => {
      expect(judge([link('enp0s3', 'device', '10.0.2.15')])[0]).to.include({ check: 'virtual machine', state: 'warning' })
      expect(judge([link('wg0', 'tunnel', '10.9.0.2')])[0]).to.include({ check: 'vpn', state: 'ok' })
    })

    it('is read from files of the system', () => {
      const root = rootWith({
        '.dockerenv': '',
        'proc/version': 'Linux version 6.1\n',
        'sys/class/net/eth0/ifindex': '7\n',
        'sys/class/net/eth0/iflink': '8\n',
        'sys/class/net/docker0/bridge/x': '',
        'sys/class/net/enp1s0/device': '->../../../devices/pci',
        'sys/class/net/wg0/type': '65534\n'
      })
      const names = ['eth0', 'docker0', 'enp1s0', 'wg0', 'gone']
      const { container, kernel, links } = surroundings(Object.fromEntries(names.map((name) => [name, [info('10.0.0.1')]])), root)
      expect(container).to.equal('Docker (/.dockerenv)')
      expect(kernel).to.equal('Linux version 6.1')
      expect(links.map(({ kind }) => kind)).to.deep.equal(['virtual-cable', 'bridge', 'device', 'tunnel', 'unknown'])
      expect(surroundings({}, rootWith({ 'proc/1/environ': 'A=b\0container=lxc\0' })).container).to.match(/^lxc /)
      expect(surroundings({}, rootWith({ 'proc/1/cgroup': '0::/kubepods/x\n' })).container).to.match(/^kubepods /)
      expect(surroundings({}, rootWith({})).container).to.equal(undefined)
    })
  })

  describe('IPv6', () => {
    const judge = (addresses: readonly string[], defaultRoutes?: readonly string[], disabled = false) =>
      judgeIpv6({ addresses: addresses.map((address) => ({ name: 'eth0', address })), defaultRoutes, disabled })

    it('is judged by the widest of its addresses and whether there is a way out', () => {
      const global = '2001:db8::5'
      expect(judge([global, 'fe80::1'], ['eth0'])).to.include({ state: 'ok' })
      expect(judge([global], ['eth0']).message).to.include('with a way out by eth0')
      expect(judge([global], []).state).to.equal('warning')
      expect(judge([global], undefined).state).to.equal('ok')
      expect(judge(['fd00::1', 'fe80::1'], []).message).to.include('unique local')
      expect(judge(['fe80::1'], []).message).to.include('link-local addresses only')
      expect(judge(['2002:c000:204::1'], []).message).to.include('tunnel')
      expect(judge(['2001:0:53aa::1'], []).message).to.include('tunnel')
      expect(judge([], []).message).to.equal('no address')
      expect(judge([], [], true).message).to.include('switched off')
    })

    it('is read from files of the system', () => {
      const zero = '0'.repeat(32)
      const route = (destination: string, length: string, flags: string, name: string): string =>
        `${destination} ${length} ${zero} 00 fe800000000000000000000000000001 00000400 00000001 00000000 ${flags}     ${name}`
      const table = [
        route(zero, '00', '00200200', 'lo'),
        route(zero, '00', '00450003', 'wlan0'),
        route(zero, '00', '00000200', 'eth9'),
        route('20010db8'.padEnd(32, '0'), '40', '00000001', 'eth0')
      ].join('\n')
      const root = rootWith({ 'proc/net/ipv6_route': table, 'proc/sys/net/ipv6/conf/all/disable_ipv6': '0\n' })
      expect(ipv6Evidence({ lo: [info('::1', true)], wlan0: [info('fe80::2'), info('10.0.0.1')] }, root)).to.deep.equal({
        addresses: [{ name: 'wlan0', address: 'fe80::2' }],
        defaultRoutes: ['wlan0'],
        disabled: false
      })
      expect(ipv6Evidence({}, rootWith({}))).to.deep.equal({ addresses: [], defaultRoutes: undefined, disabled: false })
    })
  })

  describe('the firewall', () => {
    const none: FirewallEvidence = {
      platform: 'linux',
      nftables: undefined,
      iptables: undefined,
      ufw: undefined,
      firewalld: false,
      filterLoaded: undefined,
      system: undefined
    }
    const chain = (policy: string, rules: readonly object[][], hook = 'input'): string =>
      JSON.stringify({
        nftables: [
          { metainfo: { version: '1' } },
          { table: { family: 'inet', name: 'filter' } },
          { chain: { family: 'inet', table: 'filter', name: 'input', hook, policy } },
          ...rules.map((expr) => ({ rule: { family: 'inet', table: 'filter', chain: 'input', expr } }))
        ]
      })
    const dport = (right: unknown, protocol = 'udp'): object => ({
      match: { op: '==', left: { payload: { protocol, field: 'dport' } }, right }
    })
    const accept = { accept: null }
    const established = [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: ['established', 'related'] } }, accept]
    const loopback = [{ match: { op: '==', left: { meta: { key: 'iifname' } }, right: 'lo' } }, accept]

    it('is open, closed, or closed but for multicast DNS, by its nftables', () => {
      expect(readNftables(chain('accept', []))).to.deep.equal({ closed: false, admitsMdns: false })
      expect(readNftables(chain('drop', [established, loopback, [dport(22, 'tcp'), accept]]))).to.deep.equal({
        closed: true,
        admitsMdns: false
      })
      for (const right of [5353, { set: [53, 5353] }, { range: [5000, 6000] }, { set: [{ range: [5000, 6000] }] }])
        expect(readNftables(chain('drop', [established, [dport(right), accept]])), JSON.stringify(right)).to.deep.equal({
          closed: true,
          admitsMdns: true
        })
      expect(readNftables(chain('accept', [established, [{ counter: {} }, { drop: null }]]))).to.include({ closed: true })
      expect(readNftables(chain('drop', [[accept]]))).to.include({ admitsMdns: true })
      expect(readNftables(chain('drop', [], 'forward'))).to.include({ closed: false })
      expect(readNftables('nonsense')).to.equal(undefined)
      expect(readNftables('{}')).to.equal(undefined)
    })

    it('leaves to iptables what iptables made', () => {
      expect(readNftables(chain('drop', [[{ xt: { type: 'match', name: 'udp' } }, accept]]))).to.include({ closed: false })
      const table = (...rows: string[]): string => `*nat\n:INPUT DROP\nCOMMIT\n*filter\n${rows.join('\n')}\nCOMMIT\n`
      expect(readIptables(table(':INPUT ACCEPT [0:0]'))).to.include({ closed: false })
      expect(readIptables(table(':INPUT DROP [0:0]', '-A INPUT -p tcp --dport 22 -j ACCEPT'))).to.deep.equal({
        closed: true,
        admitsMdns: false
      })
      expect(readIptables(table(':INPUT ACCEPT', '-A INPUT -j REJECT --reject-with icmp-port-unreachable'))).to.include({ closed: true })
      expect(
        readIptables(table(':INPUT DROP', '-A ufw-before-input -d 224.0.0.251/32 -p udp -m udp --dport 5353 -j ACCEPT'))
      ).to.deep.equal({
        closed: true,
        admitsMdns: true
      })
    })

    it('is judged with the words of whoever manages it', () => {
      expect(judgeFirewall({ ...none, nftables: chain('accept', []) }).state).to.equal('ok')
      const closed = { ...none, nftables: chain('drop', [established]) }
      expect(judgeFirewall(closed)).to.include({ state: 'warning' })
      expect(judgeFirewall({ ...closed, ufw: 'enabled' }).hint).to.include('ufw allow 5353/udp')
      expect(judgeFirewall({ ...closed, firewalld: true }).hint).to.include('--add-service=mdns')
      const opened = judgeFirewall({ ...none, nftables: chain('drop', [[dport(5353), accept]]) })
      expect(opened).to.include({ state: 'ok' })
      expect(opened.hint).to.include('--port')
    })

    it('is told as far as it can be known without being root', () => {
      expect(judgeFirewall({ ...none, ufw: 'enabled' })).to.include({ state: 'warning' })
      expect(judgeFirewall({ ...none, firewalld: true }).message).to.include('firewalld is on')
      expect(judgeFirewall({ ...none, ufw: 'disabled', filterLoaded: true }).hint).to.include('root')
      expect(judgeFirewall({ ...none, filterLoaded: false })).to.deep.include({
        state: 'ok',
        message: 'the kernel has no packet filter loaded'
      })
      expect(judgeFirewall(none).message).to.include('root')
    })

    it('has hints for other systems', () => {
      const mac = (system: string | undefined) => judgeFirewall({ ...none, platform: 'darwin', system })
      expect(mac('Firewall is enabled. (State = 1)\nBlock all DISABLED!').state).to.equal('ok')
      expect(mac('Firewall is blocking all non-essential incoming connections. (State = 2)').state).to.equal('warning')
      expect(mac('Firewall is disabled. (State = 0)').message).to.include('off')
      expect(mac(undefined).hint).to.include('System Settings')
      const windows = (system: string | undefined) => judgeFirewall({ ...none, platform: 'win32', system })
      expect(windows('State                                 ON').hint).to.include('private networks')
      expect(windows('State                                 OFF').message).to.include('off')
      expect(judgeFirewall({ ...none, platform: 'freebsd' }).hint).to.include('5353')
    })

    it('is read from files of the system', async () => {
      const signal = new AbortController().signal
      const root = rootWith({
        'etc/ufw/ufw.conf': '# comment\nENABLED=yes\nLOGLEVEL=low\n',
        'proc/1/comm': 'systemd\n',
        'proc/77/comm': 'firewalld\n',
        'proc/modules': 'nf_tables 372736 123 nft_ct - Live 0x0\n'
      })
      expect(await firewallEvidence(signal, root, 'linux')).to.include({ ufw: 'enabled', firewalld: true, filterLoaded: true })
      expect(await firewallEvidence(signal, rootWith({ 'proc/modules': 'ext4 1 1 - Live 0x0\n' }), 'linux')).to.include({
        ufw: undefined,
        firewalld: false,
        filterLoaded: false
      })
    })
  })

  describe('the port of multicast DNS', () => {
    const avahi = { program: 'avahi-daemon', pid: 412, user: 'avahi', addresses: ['0.0.0.0', '::'] }
    const judge = (more: Partial<MdnsPortEvidence>) => judgeMdnsPort({ holders: [], complete: true, refused: undefined, ...more })

    it('is free, shared, or held by somebody alone', () => {
      expect(judge({})).to.include({ state: 'ok', message: 'nobody else has UDP port 5353' })
      const shared = judge({ holders: [avahi] })
      expect(shared).to.include({ state: 'ok' })
      expect(shared.message).to.equal('UDP port 5353 is shared with avahi-daemon (process 412) on 0.0.0.0 ::')
      const alone = judge({ holders: [avahi], refused: { family: 4, code: 'EADDRINUSE' } })
      expect(alone).to.include({ state: 'problem', code: 'EADDRINUSE' })
      expect(alone.message).to.include('avahi-daemon (process 412)')
      expect(alone.hint).to.include('disallow-other-stacks=no')
    })

    it('names what to do about each program that is known', () => {
      const hint = (program: string) => judge({ holders: [{ ...avahi, program }], refused: { family: 6, code: 'EADDRINUSE' } }).hint
      expect(hint('systemd-resolve')).to.include('MulticastDNS=no')
      expect(hint('chrome')).to.include('browser')
      expect(hint('unheard-of')).to.include('--broker')
    })

    it('tells by the user what is not known by the process', () => {
      const found = judge({ holders: [{ program: undefined, pid: undefined, user: 'avahi', addresses: ['0.0.0.0'] }], complete: false })
      expect(found.message).to.equal('UDP port 5353 is shared with avahi (of user avahi) on 0.0.0.0')
      expect(found.hint).to.include('root')
      expect(judge({ complete: false, refused: { family: 4, code: 'EACCES' } }).message).to.include('somebody who cannot be seen')
    })

    it('is read from files of the system', async () => {
      const row = (address: string, port: string, uid: string, inode: string): string =>
        `  1: ${address}:${port} 00000000:0000 07 00000000:00000000 00:00000000 00000000 ${uid} 0 ${inode} 2 0000 0`
      const root = rootWith({
        'proc/net/udp': `  sl  local_address\n${row('00000000', '14E9', '107', '900')}\n${row('0100007F', '0035', '0', '901')}\n`,
        'proc/net/udp6': `  sl  local_address\n${row('0'.repeat(32), '14E9', '107', '902')}\n${row('000080FE00000000FF005450B6DBFEAC', '14E9', '1000', '903')}\n`,
        'proc/412/comm': 'avahi-daemon\n',
        'proc/412/fd/12': '->socket:[900]',
        'proc/412/fd/13': '->socket:[902]',
        'proc/412/fd/1': '->/dev/null',
        'etc/passwd': 'root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n'
      })
      const { holders, complete } = await mdnsPortEvidence(new AbortController().signal, root, 'linux')
      expect(holders).to.deep.equal([
        { program: 'avahi-daemon', pid: 412, user: '107', addresses: ['0.0.0.0', '::'] },
        { program: undefined, pid: undefined, user: 'ann', addresses: ['fe80:0:0:0:5054:ff:acfe:dbb6'] }
      ])
      expect(complete).to.equal(false)
    })

    it('is read from lsof where there is no /proc', () => {
      expect(readLsof('p301\ncmDNSResponder\nf6\nn*:5353\nf7\nn*:5353\np999\ncGoogle\nf9\nn10.0.0.4:5353\n')).to.deep.equal([
        { program: 'mDNSResponder', pid: 301, user: undefined, addresses: ['*'] },
        { program: 'Google', pid: 999, user: undefined, addresses: ['10.0.0.4'] }
      ])
      expect(readLsof('')).to.deep.equal([])
    })

    it('of this machine is looked at, and shared', async function () {
      if (process.platform !== 'linux') this.skip()
      const socket = createSocket({ type: 'udp4', reuseAddr: true })
      try {
        await new Promise<void>((resolve, reject) => {
          socket.once('error', reject)
          socket.bind(5353, '127.0.0.1', resolve)
        })
        const { holders } = await mdnsPortEvidence(new AbortController().signal)
        expect(holders.find(({ pid }) => pid === process.pid)?.addresses).to.include('127.0.0.1')
      } finally {
        socket.close()
      }
    })
  })
})
