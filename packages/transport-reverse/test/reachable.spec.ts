import { expect } from 'chai'
import { parsePeerAddress, type NetworkRoute } from '@kithmesh/core'
import { reachableEndpoints } from '../dist/reachable.js'

const id = 'c0ffee'.padEnd(64, '0')
/** Routes as they are written in a peer address. */
const routes = (...texts: string[]): readonly NetworkRoute[] =>
  texts.length === 0 ? [] : parsePeerAddress(`kithmesh:1;id=${id};port=1;${texts.map((each) => `route=${each}`).join(';')}`).network.routes

const unknown = 'tcp:-/-/-,udp:-/-/-'
const open = 'tcp:none/eif/equal,udp:none/eif/equal'
const firewall = 'tcp:none/apdf/equal,udp:none/apdf/equal'
const portRestricted = 'tcp:eim/apdf/equal,udp:eim/apdf/equal'
const nat = 'tcp:eim/-/equal,udp:eim/apdf/equal'
const blocked = 'tcp:blocked/-/-,udp:blocked/-/-'
const elsewhere = routes(`0,v4,10.0.0.9,198.51.100.9,${portRestricted}`)

interface Row {
  readonly what: string
  readonly own: readonly NetworkRoute[]
  readonly peer: readonly NetworkRoute[]
  readonly forwardedPort?: number
  /** `rank: endpoints` or the reason. */
  readonly gives: string | RegExp
}

const rows: Row[] = [
  { what: 'an open machine', own: routes(`0,v4,203.0.113.7,203.0.113.7,${open}`), peer: elsewhere, gives: '20: 203.0.113.7' },
  {
    what: 'a full-cone filter',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,tcp:eim/eif/equal,udp:eim/eif/equal`),
    peer: elsewhere,
    gives: '20: 203.0.113.7'
  },
  {
    what: 'a firewall',
    own: routes(`0,v4,203.0.113.7,203.0.113.7,${firewall}`),
    peer: elsewhere,
    gives: /firewall lets no unsolicited IPv4/
  },
  {
    what: 'a port-restricted NAT',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,${portRestricted}`),
    peer: elsewhere,
    gives: /router lets no unsolicited IPv4.*another network/
  },
  {
    what: 'a NAT whose TCP filter was not measured',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,${nat}`),
    peer: elsewhere,
    gives: '50: 203.0.113.7'
  },
  {
    what: 'no NAT, with a filter for UDP',
    own: routes('0,v4,203.0.113.7,203.0.113.7,tcp:none/-/equal,udp:none/apdf/equal'),
    peer: elsewhere,
    gives: '50: 203.0.113.7'
  },
  {
    what: 'no NAT, nothing else measured',
    own: routes('0,v4,203.0.113.7,203.0.113.7,tcp:none/-/-,udp:-/-/-'),
    peer: elsewhere,
    gives: '30: 203.0.113.7'
  },
  {
    what: 'a forwarded port',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,${portRestricted}`),
    peer: elsewhere,
    forwardedPort: 14984,
    gives: '20: 203.0.113.7:14984'
  },
  {
    what: 'a forwarded port of unknown address',
    own: routes(`0,v4,192.168.1.7,-,${unknown}`),
    peer: routes(`0,v4,10.0.0.9,-,${unknown}`),
    forwardedPort: 14984,
    gives: '30: 192.168.1.7'
  },
  {
    what: 'nothing measured',
    own: routes(`0,v4,192.168.1.7,-,${unknown}`),
    peer: routes(`0,v4,192.168.1.8,-,${unknown}`),
    gives: '30: 192.168.1.7'
  },
  {
    what: 'nothing measured, of a machine with a global address',
    own: routes(`0,v4,203.0.113.7,-,${unknown}`),
    peer: elsewhere,
    gives: '30: 203.0.113.7'
  },
  { what: 'nothing told by the peer', own: routes(`0,v4,192.168.1.7,203.0.113.7,${portRestricted}`), peer: [], gives: '30: 192.168.1.7' },
  {
    what: 'both behind one NAT',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,${portRestricted}`),
    peer: routes(`0,v4,192.168.1.8,203.0.113.7,${portRestricted}`),
    gives: '20: 192.168.1.7'
  },
  {
    what: 'both behind one NAT with one side not measured',
    own: routes(`0,v4,192.168.1.7,203.0.113.7,${nat}`),
    peer: routes(`0,v4,192.168.1.8,-,${unknown}`),
    gives: '30: 192.168.1.7 203.0.113.7'
  },
  { what: 'TCP blocked', own: routes(`0,v4,192.168.1.7,203.0.113.7,${blocked}`), peer: elsewhere, gives: /does not get through/ },
  {
    what: 'TCP blocked at the peer',
    own: routes(`0,v4,203.0.113.7,203.0.113.7,${open}`),
    peer: routes(`0,v4,10.0.0.9,-,${blocked}`),
    gives: /no TCP connection out/
  },
  {
    what: 'no common family',
    own: routes(`0,v4,203.0.113.7,203.0.113.7,${open}`),
    peer: routes(`0,v6,2001:db8::9,2001:db8::9,${open}`),
    gives: /no IPv4/
  },
  { what: 'no network', own: [], peer: elsewhere, gives: /no network address/ },
  {
    what: 'IPv6 with a stateful firewall',
    own: routes(`0,v6,2001:db8:1::7,2001:db8:1::7,${firewall}`),
    peer: routes(`0,v6,2001:db8:2::9,2001:db8:2::9,${firewall}`),
    gives: /firewall lets no unsolicited IPv6/
  },
  {
    what: 'IPv6 with a firewall around both',
    own: routes(`0,v6,2001:db8:1::7,2001:db8:1::7,${firewall}`),
    peer: routes(`0,v6,2001:db8:1:0:0:0:0:9,2001:db8:1::9,${firewall}`),
    gives: '20: 2001:db8:1::7'
  },
  {
    what: 'several ways, the best first',
    own: routes(
      `0,v4,192.168.1.7,203.0.113.7,${nat}`,
      `1,v4,192.168.2.7,203.0.113.8,tcp:eim/eif/equal,udp:eim/eif/equal`,
      `0,v6,2001:db8:1::7,2001:db8:1::7,tcp:none/-/-,udp:-/-/-`
    ),
    peer: [...elsewhere, ...routes(`0,v6,2001:db8:2::9,2001:db8:2::9,${firewall}`)],
    gives: '20: 203.0.113.8 2001:db8:1::7 203.0.113.7'
  },
  { what: 'loopback to a peer with other addresses', own: routes(`0,v4,127.0.0.1,-,${unknown}`), peer: elsewhere, gives: /not known/ },
  {
    what: 'loopback to a peer with loopback',
    own: routes(`0,v4,127.0.0.1,-,${unknown}`),
    peer: routes(`0,v4,127.0.0.1,-,${unknown}`),
    gives: '30: 127.0.0.1'
  }
]

describe('where a device can be connected to', () => {
  for (const { what, own, peer, forwardedPort, gives } of rows)
    it(what, () => {
      const found = reachableEndpoints(own, { port: 9, routes: peer }, { port: 4984, forwardedPort })
      if (typeof gives === 'string') {
        expect(found).to.have.property('usable', true)
        if (!found.usable) return
        const endpoints = found.endpoints.map(({ address, port }) => (port === 4984 ? address : `${address}:${port}`))
        expect(`${found.rank}: ${endpoints.join(' ')}`).to.equal(gives)
      } else {
        expect(found).to.have.property('usable', false)
        expect(found.usable ? '' : found.reason).to.match(gives)
      }
    })
})
