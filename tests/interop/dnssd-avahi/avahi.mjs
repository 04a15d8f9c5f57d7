// avahi-daemon with a bus of its own on one host of a cable.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from '@kithmesh/testkit'
import { answers } from '../../support/ports.mjs'
import { Bus } from './dbus.mjs'
import { stop } from './namespaces.mjs'

const busConfig = (
  socket
) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
`

const daemonConfig = (interfaceName, ipv4, ipv6, server) => `[server]
${server.join('\n')}
host-name=avahi-host
use-ipv4=${ipv4 ? 'yes' : 'no'}
use-ipv6=${ipv6 ? 'yes' : 'no'}
allow-interfaces=${interfaceName}
enable-dbus=yes
ratelimit-interval-usec=0
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
publish-hinfo=no
publish-aaaa-on-ipv4=yes
publish-a-on-ipv6=yes
[rlimits]
`

/** Starts bus and daemon; resolves when the daemon answers. `server` are further lines of that section of its configuration. */
export async function startAvahi(host, { ipv4 = true, ipv6 = true, server = [] } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'kithmesh-avahi-'))
  const socket = join(folder, 'bus')
  const env = { DBUS_SYSTEM_BUS_ADDRESS: `unix:path=${socket}` }
  writeFileSync(join(folder, 'bus.conf'), busConfig(socket))
  writeFileSync(join(folder, 'avahi.conf'), daemonConfig(host.interface, ipv4, ipv6, server))
  host.start(['dbus-daemon', '--nofork', `--config-file=${join(folder, 'bus.conf')}`])
  await eventually('the bus', () => answers(socket), { everyMs: 20 })
  // `ip netns exec` gives a mount namespace of its own: the daemon's run directory is nobody else's.
  const daemon = host.start(
    [
      'sh',
      '-c',
      `mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --no-proc-title --file=${join(folder, 'avahi.conf')}`
    ],
    { env }
  )
  await eventually('avahi-daemon', () => /Server startup complete/.test(daemon.output)).catch((error) => {
    throw new Error(`avahi-daemon did not start: ${daemon.output}`, { cause: error })
  })
  const buses = new Set()
  const clients = new Set()
  return {
    daemon,

    /** `avahi-publish-service`, until the returned child is stopped. */
    async publish(name, { type = '_couchbaseP2P._tcp', subtype, port, txt = [] }) {
      const child = host.start(['avahi-publish-service', '--subtype', `${subtype}._sub.${type}`, name, type, String(port), ...txt], { env })
      clients.add(child)
      await eventually(`${name} to be established`, () => /Established/.test(child.output)).catch((error) => {
        throw new Error(`avahi-publish-service: ${child.output}`, { cause: error })
      })
      return child
    },

    /** A service whose TXT data can be changed. */
    async publishGroup(name, { type = '_couchbaseP2P._tcp', subtype, group, port, txt }) {
      const bus = await Bus.open(socket)
      buses.add(bus)
      const path = await bus.call({
        destination: 'org.freedesktop.Avahi',
        path: '/',
        interface: 'org.freedesktop.Avahi.Server',
        member: 'EntryGroupNew'
      })
      const call = (member, signature, values) =>
        bus.call({ destination: 'org.freedesktop.Avahi', path, interface: 'org.freedesktop.Avahi.EntryGroup', member, signature, values })
      await call('AddService', 'iiussssqaay', [-1, -1, 0, name, type, '', '', port, txt])
      if (subtype !== undefined) await call('AddServiceSubtype', 'iiussss', [-1, -1, 0, name, type, '', `${subtype}._sub.${type}`])
      else
        await call('AddRecord', 'iiusqquay', [
          -1,
          -1,
          0,
          `${group.replaceAll('.', '\\.')}._sub.${type}.local`,
          1,
          12,
          4500,
          wireName([name, ...type.split('.'), 'local'])
        ])
      await call('Commit', '', [])
      return {
        updateTxt: (next) => call('UpdateServiceTxt', 'iiusssaay', [-1, -1, 0, name, type, '', next]),
        withdraw: () => call('Free', '', [])
      }
    },

    /** A running `avahi-browse`; its lines so far are in `lines()`. */
    browse(type, ...flags) {
      const child = host.start(['avahi-browse', '--parsable', '--no-db-lookup', ...flags, type], { env })
      clients.add(child)
      return { child, lines: () => parseLines(child.output) }
    },

    /** What `avahi-browse` shows and resolves now. */
    look: (type) =>
      parseLines(
        host.command(
          'env',
          `DBUS_SYSTEM_BUS_ADDRESS=${env.DBUS_SYSTEM_BUS_ADDRESS}`,
          'avahi-browse',
          '--parsable',
          '--no-db-lookup',
          '--resolve',
          '--terminate',
          type
        )
      ),

    /** Ends all publications and browsers. */
    async release() {
      for (const bus of buses) bus.close()
      buses.clear()
      await Promise.all([...clients].map((child) => stop(child)))
      clients.clear()
    },

    async [Symbol.asyncDispose]() {
      await this.release()
      await host.stopAll()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** A name as a PTR record holds it. */
function wireName(labels) {
  return Buffer.concat([...labels.flatMap((label) => [Buffer.from([Buffer.byteLength(label)]), Buffer.from(label)]), Buffer.from([0])])
}

/** The lines of `avahi-browse --parsable`: `+;eth0;IPv4;Name;type;local` and `=;…;host;address;port;"txt" "txt"`. */
function parseLines(output) {
  return output
    .split('\n')
    .filter((line) => /^[+=-];/.test(line))
    .map((line) => {
      const [event, interfaceName, protocol, name, type, domain, host, address, port, txt = ''] = line.split(';')
      return {
        event,
        interface: interfaceName,
        protocol,
        name: plainName(name),
        type,
        domain,
        host,
        address,
        port: Number(port),
        txt: [...txt.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, item]) => item)
      }
    })
}

/** avahi writes bytes that are not letters or digits as three decimal digits behind a backslash. */
function plainName(text) {
  const bytes = []
  for (let index = 0; index < text.length; index++) {
    if (text[index] !== '\\') bytes.push(...Buffer.from(text[index]))
    else if (/^\d{3}/.test(text.slice(index + 1))) {
      bytes.push(Number(text.slice(index + 1, index + 4)))
      index += 3
    } else bytes.push(text.charCodeAt(++index))
  }
  return Buffer.from(bytes).toString()
}
