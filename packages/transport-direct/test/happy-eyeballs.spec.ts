import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { getEventListeners, once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { expect } from 'chai'
import { dial, formatHostPort, orderAddresses } from '@kithmesh/transport-direct'
import { manualClock, rejection } from '@kithmesh/testkit'

const run = promisify(execFile)

describe('the order of addresses', () => {
  it("alternates families, beginning with the first address's", () => {
    expect(orderAddresses(['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8::2'])).to.deep.equal([
      '192.0.2.1',
      '2001:db8::1',
      '192.0.2.2',
      '2001:db8::2'
    ])
    expect(orderAddresses(['2001:db8::1', '2001:db8::2', '2001:db8::3', '192.0.2.1'])).to.deep.equal([
      '2001:db8::1',
      '192.0.2.1',
      '2001:db8::2',
      '2001:db8::3'
    ])
  })

  it('drops doubles in any spelling and unwraps mapped IPv4', () => {
    expect(orderAddresses(['::ffff:192.0.2.1', '192.0.2.1', '[::ffff:c000:201]', '[2001:DB8::1]', '2001:db8::1'])).to.deep.equal([
      '192.0.2.1',
      '2001:db8::1'
    ])
  })

  it('keeps zones as they are and puts link-local addresses without one last', () => {
    expect(orderAddresses(['fe80::1', 'FE80::2%Eth0', '192.0.2.1'])).to.deep.equal(['fe80::2%Eth0', '192.0.2.1', 'fe80::1'])
    expect(orderAddresses([])).to.deep.equal([])
    expect(formatHostPort('fe80::1%eth0', 80)).to.equal('[fe80::1%eth0]:80')
  })
})

describe('dialling', () => {
  let server: Server | undefined
  afterEach(async () => {
    if (server?.listening === true) await new Promise((resolve) => server?.close(resolve))
    server = undefined
  })
  const listen = async (host = '127.0.0.1'): Promise<number> => {
    server = createServer((socket) => {
      socket.on('error', () => {}).resume()
    }).listen(0, host)
    await once(server, 'listening')
    return (server.address() as { port: number }).port
  }

  it('goes on to the next address as soon as one fails', async () => {
    const port = await listen()
    const tried: string[] = []
    const socket = await dial({
      host: 'peer.local',
      port,
      addresses: ['::1', '127.0.0.2', '127.0.0.1'],
      staggerMs: 60_000,
      progress: (phase, address) => {
        tried.push(`${phase} ${address}`)
      }
    })
    expect(socket.remoteAddress).to.equal('127.0.0.1')
    socket.destroy()
    expect(tried).to.deep.equal([`dial [::1]:${port}`, `dial 127.0.0.2:${port}`, `dial 127.0.0.1:${port}`])
  })

  it('looks names up when no address is known', async () => {
    const port = await listen()
    const phases: string[] = []
    const socket = await dial({
      host: 'localhost',
      port,
      progress: (phase) => {
        phases.push(phase)
      }
    })
    socket.destroy()
    expect(phases[0]).to.equal('resolve')
  })

  it('says why each address failed', async () => {
    const port = await listen()
    server?.close()
    const error = (await rejection(dial({ host: 'peer.local', port, addresses: ['127.0.0.1', '::1'] }))) as Error & {
      details: { attempts: unknown }
      cause: AggregateError
    }
    expect(error).to.have.property('code', 'ERR_DIRECT_DIAL')
    expect(error.details.attempts).to.deep.equal([
      { address: `127.0.0.1:${port}`, code: 'ECONNREFUSED' },
      { address: `[::1]:${port}`, code: 'ECONNREFUSED' }
    ])
    expect(error.cause.errors.map(({ code }: { code: string }) => code)).to.deep.equal(['ECONNREFUSED', 'ECONNREFUSED'])
  })

  it('refuses names without address', async () => {
    expect(await rejection(dial({ host: 'nowhere.invalid', port: 1 }))).to.have.property('code', 'ERR_DIRECT_RESOLVE')
  })

  it('refuses a deadline that makes no sense', async () => {
    for (const deadlineMs of [NaN, 0, -1])
      expect(await rejection(dial({ host: '127.0.0.1', port: 1, deadlineMs })), `${deadlineMs}`).to.be.instanceOf(TypeError)
  })

  it("ends with the signal's reason", async () => {
    const reason = new Error('enough')
    expect(await rejection(dial({ host: '127.0.0.1', port: 1, signal: AbortSignal.abort(reason) }))).to.equal(reason)
    const controller = new AbortController()
    const pending = rejection(dial({ host: '127.0.0.1', port: await listen(), signal: controller.signal }))
    controller.abort(reason)
    expect(await pending).to.equal(reason)
  })

  it('leaves neither timers nor listeners behind, however it ends', async () => {
    const clock = manualClock()
    const { signal } = new AbortController()
    const port = await listen()
    const addresses = ['127.0.0.1', '127.0.0.2']
    const socket = await dial({ host: 'peer.local', port, addresses, clock, signal })
    socket.destroy()
    expect([clock.pending, getEventListeners(signal, 'abort').length]).to.deep.equal([0, 0])
    server?.close()
    await rejection(dial({ host: 'peer.local', port, addresses, clock, signal }))
    expect([clock.pending, getEventListeners(signal, 'abort').length]).to.deep.equal([0, 0])
    const controller = new AbortController()
    const dialling = rejection(dial({ host: 'peer.local', port, addresses, clock, signal: controller.signal }))
    controller.abort(new Error('enough'))
    await dialling
    expect([clock.pending, getEventListeners(controller.signal, 'abort').length]).to.deep.equal([0, 0])
  })

  it('staggers past addresses that swallow packets, ends at its deadline and reaches link-local addresses', async function () {
    const child = fileURLToPath(new URL('support/eyeballs-child.js', import.meta.url))
    const prepare =
      'ip link set lo up && ip link add d0 type veth peer name d1 && ip link set d1 addrgenmode none && ip link set d1 up && ip link set d0 up && ip address add 192.0.2.250/24 dev d0'
    const namespace = process.getuid?.() === 0 ? '-n' : '-rn'
    const possible = await run('unshare', [namespace, 'sh', '-c', prepare]).then(
      () => true,
      () => false
    )
    // Network namespaces exist on Linux only; CI runs there.
    if (!possible) {
      this.skip()
      return
    }
    // The kernel's link-local address is tentative for a moment.
    const settle = 'for i in $(seq 50); do ip -6 address show dev d0 -tentative | grep -q fe80 && break; sleep 0.1; done'
    const { stdout } = await run('unshare', [namespace, 'sh', '-c', `${prepare} && ${settle}; exec "$0" "$1"`, process.execPath, child])
    const { port, linkLocal, staggered, timeout, zone, listening, listenerPort } = JSON.parse(stdout) as Record<string, any>
    expect(staggered).to.deep.equal({ tried: [`192.0.2.1:${port}`, `192.0.2.2:${port}`, `127.0.0.1:${port}`], won: '127.0.0.1' })
    expect(timeout).to.deep.equal({
      tried: [`192.0.2.3:${port}`, `192.0.2.4:${port}`],
      code: 'ERR_DIRECT_TIMEOUT',
      details: { attempts: [{ address: `192.0.2.3:${port}` }, { address: `192.0.2.4:${port}` }] }
    })
    expect(zone.won).to.match(/^fe80:/)
    expect(listening).to.deep.equal([`192.0.2.250:${listenerPort}`, `[${linkLocal}]:${listenerPort}`])
  })
})
