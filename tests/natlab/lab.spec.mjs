// The life of a lab: what it touches, what it leaves, who may make one.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { eventually } from '@kithmesh/testkit'
import { createNatLab } from '@kithmesh/testkit/natlab'
import { observe, startEchoAddress } from './support/observation.mjs'

const labs = []
async function make(options) {
  const lab = await createNatLab(options)
  labs.push(lab)
  return lab
}
const namespaces = () =>
  (spawnSync('ip', ['netns', 'list']).stdout ?? '')
    .toString()
    .split('\n')
    .map((line) => line.split(' ')[0])
const ownNetwork = () => [
  readdirSync('/sys/class/net').sort(),
  readFileSync('/proc/net/route', 'utf8'),
  readFileSync('/proc/net/if_inet6', 'utf8')
]
const alive = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1][0] !== 'Z'
  } catch {
    return false
  }
}

describe('a NAT lab', () => {
  afterEach(() => Promise.all(labs.splice(0).map((lab) => lab.dispose())))

  it("leaves the machine's own network alone, and nothing behind", async () => {
    const before = ownNetwork()
    const lab = await make({ a: { kind: 'full-cone', carrier: 'port-restricted' }, b: 'open', latencyMs: 1, ipv6: 'open' })
    const names = Object.values(lab.namespaces)
    expect(namespaces()).to.include.members(names)
    expect(ownNetwork()).to.deep.equal(before)
    const child = lab.run('a', 'sleep', ['600'])
    const coturn = await lab.startCoturn()
    expect(coturn.running).to.equal(true)
    await Promise.all([lab.dispose(), lab.dispose()])
    expect(coturn.running).to.equal(false)
    expect(child.exitCode ?? child.signalCode).to.equal('SIGTERM')
    expect(namespaces()).to.not.include.members(names)
    expect(ownNetwork()).to.deep.equal(before)
    expect(() => lab.run('a', 'true'))
      .to.throw()
      .with.property('code', 'ERR_NATLAB_DISPOSED')
  })
  it("has no way to the machine's network and beyond", async () => {
    const lab = await make({ a: 'open', b: 'open' })
    for (const host of lab.hosts) {
      const links = JSON.parse(await lab.exec(host, 'ip', ['-json', 'link', 'show']))
      for (const { link_netnsid: peer, ifname, linkinfo } of links.filter(({ linkinfo }) => linkinfo?.info_kind === 'veth')) {
        expect(peer ?? 'here', `${host} ${ifname} ${JSON.stringify(linkinfo)}`).to.not.equal('here')
      }
      expect(
        links.every(({ ifname, linkinfo }) => ifname === 'lo' || linkinfo !== undefined || host === 'pub' || ifname !== 'eth1')
      ).to.equal(true)
    }
  })
  it('is a world of its own beside others', async () => {
    const [first, second] = await Promise.all([make({ a: 'symmetric-random', b: 'open' }), make({ a: 'full-cone', b: 'open' })])
    await Promise.all([first, second].map((lab) => startEchoAddress(lab)))
    const [one, two] = await Promise.all([observe(first, 'a'), observe(second, 'a')])
    expect(one.udp.mapping).to.equal('address-and-port-dependent')
    expect(two.udp.mapping).to.equal('endpoint-independent')
    await first.dispose()
    expect((await observe(second, 'a')).udp.mapping).to.equal('endpoint-independent')
  })
  it('is removed with its programs by the next lab when its process was killed', async () => {
    const program = `
      import { createNatLab } from '@kithmesh/testkit/natlab'
      const lab = await createNatLab({ a: 'open', b: 'open', latencyMs: 1 })
      await lab.startMosquitto()
      const child = lab.run('a', 'sleep', ['600'])
      // A program that outlives whoever started it.
      const stray = lab.run('b', 'setpriv', ['--pdeathsig', 'clear', 'sleep', '600'])
      console.log(JSON.stringify({ names: Object.values(lab.namespaces), pids: [child.pid, stray.pid] }))
      setInterval(() => undefined, 1000)`
    const owner = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit']
    })
    const { names, pids } = JSON.parse((await once(owner.stdout, 'data'))[0].toString())
    await eventually('the stray program to run on its own', () => pids.every(alive))
    const bystander = await make({ a: 'open', b: 'open' })
    expect(namespaces()).to.include.members(names)
    owner.kill('SIGKILL')
    await once(owner, 'exit')
    await eventually('the child to end with its parent', () => !alive(pids[0]))
    await make({ a: 'open', b: 'open' })
    expect(namespaces().filter((name) => names.includes(name))).to.deep.equal([])
    await eventually('the stray program to end', () => !alive(pids[1]))
    expect(namespaces()).to.include.members(Object.values(bystander.namespaces))
  })
  it('is removed when its process ends without disposing of it', async () => {
    const program = `
      import { createNatLab } from '@kithmesh/testkit/natlab'
      const lab = await createNatLab({ a: 'open', b: 'open' })
      console.log(JSON.stringify(Object.values(lab.namespaces)))
      throw new Error('crash')`
    const cwd = fileURLToPath(new URL('.', import.meta.url))
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { cwd, timeout: 60_000 })
    expect(status).to.equal(1)
    const names = JSON.parse(stdout.toString())
    expect(names.length).to.equal(6)
    expect(namespaces().filter((name) => names.includes(name))).to.deep.equal([])
  })
  it('is refused to a user who is not root, with a hint', () => {
    const program = `
      import { createNatLab } from '@kithmesh/testkit/natlab'
      await createNatLab({ a: 'open', b: 'open' }).catch(({ code, hint }) => console.log(JSON.stringify({ code, hint })))`
    const { stdout } = spawnSync(
      'setpriv',
      ['--reuid', '65534', '--regid', '65534', '--clear-groups', process.execPath, '--input-type=module', '-e', program],
      { cwd: fileURLToPath(new URL('.', import.meta.url)), timeout: 60_000 }
    )
    const { code, hint } = JSON.parse(stdout.toString())
    expect(code).to.equal('ERR_NATLAB_UNSUPPORTED')
    expect(hint).to.match(/root/)
  })
  it('says why a command failed and which hosts there are', async () => {
    const lab = await make({ a: 'port-restricted', b: { behind: 'a' } })
    const error = await lab.exec('a', 'sh', ['-c', 'echo no luck >&2; exit 3']).catch((caught) => caught)
    expect(error.code).to.equal('ERR_NATLAB_COMMAND')
    expect(error.details.output).to.equal('no luck')
    expect(() => lab.run('nat-b', 'true')).to.throw(TypeError, /nat-b.*nat-a/)
    const open = await lab.setNat('a', 'open').catch((caught) => caught)
    expect(open).to.be.instanceOf(TypeError)
  })
})

describe('servers of a NAT lab', () => {
  let lab
  before(async () => {
    lab = await createNatLab({ a: 'port-restricted', b: 'open' })
  })
  after(() => lab?.dispose())

  for (const [name, start, port] of [
    ['coturn', () => lab.startCoturn(), 3478],
    ['mosquitto', () => lab.startMosquitto(), 1883]
  ]) {
    it(`${name} answers through a NAT, is killed, and comes back`, async () => {
      const server = await start()
      const dial = async () => {
        const code = `const s=require('net').connect(${port},'203.0.113.10');s.on('connect',()=>{console.log('connected');process.exit()});s.on('error',(e)=>console.log(e.code))`
        return (await lab.exec('a', process.execPath, ['-e', code])).trim()
      }
      expect(await dial()).to.equal('connected')
      await server.kill()
      expect(server.running).to.equal(false)
      expect(await dial()).to.equal('ECONNREFUSED')
      await server.restart()
      expect(server.running).to.equal(true)
      expect(await dial()).to.equal('connected')
      await server.kill('SIGTERM')
      await server.kill()
    })
  }
  it('a server that cannot start says what it wrote', async () => {
    const error = await lab.startMosquitto({ config: ['no_such_setting 1'] }).catch((caught) => caught)
    expect(error.code).to.equal('ERR_NATLAB_SERVER')
    expect(error.details.output).to.match(/no_such_setting/)
  })
  it('two brokers stand side by side', async () => {
    const brokers = await Promise.all([lab.startMosquitto({ address: 0 }), lab.startMosquitto({ address: 1 })])
    expect(brokers.map(({ url }) => url)).to.deep.equal(['mqtt://203.0.113.10:1883', 'mqtt://203.0.113.11:1883'])
    await Promise.all(brokers.map((broker) => broker.kill()))
  })
})
