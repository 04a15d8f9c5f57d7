// What doctor says of the way out and of servers, behind routers of each kind, with coturn, mosquitto and a time server.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { createNatLab } from '@kithmesh/testkit/natlab'
import { cleanUp, run, temporaryDirectory } from '../support/kithmesh.mjs'
import { doctor } from './findings.mjs'

const ntpServer = new URL('ntp-server.mjs', import.meta.url).pathname
/** For the whole of doctor, as its help says. */
const LIMIT_MS = 10_000

describe('kithmesh doctor: the way out, and servers', () => {
  let lab
  let relay
  let broker
  let host
  before(async () => {
    lab = await createNatLab({ a: 'open', b: 'open' })
    host = lab.namespaces.a
    const home = temporaryDirectory()
    const [passwords, rights] = [join(home, 'passwords'), join(home, 'rights')]
    execFileSync('mosquitto_passwd', ['-c', '-b', passwords, 'ann', 'right'], { stdio: 'ignore' })
    execFileSync('mosquitto_passwd', ['-b', passwords, 'bob', 'right'], { stdio: 'ignore' })
    writeFileSync(rights, 'user ann\ntopic readwrite kithmesh/#\nuser bob\ntopic write kithmesh/#\n')
    ;[relay, broker] = await Promise.all([
      lab.startCoturn(),
      lab.startMosquitto({ config: ['allow_anonymous false', `password_file ${passwords}`, `acl_file ${rights}`] })
    ])
  })
  after(async () => {
    await lab?.dispose()
    await cleanUp()
  })
  afterEach(() => lab.setNat('a', 'open'))

  const stun = () => relay.stunUrls.flatMap((url) => ['--stun', url])
  const turn = (password = relay.credential) => ['--turn', relay.turnUrl, '--turn-user', `${relay.username}:${password}`]
  const brokerOf = (login) => ['--broker', broker.url.replace('//', `//${login}@`)]
  const timeServer = async (offsetMs) => {
    const child = lab.run('srv', process.execPath, [ntpServer, lab.servers.ipv4[0], String(offsetMs)])
    await once(child.stdout, 'data')
    return async () => {
      const exit = once(child, 'exit')
      child.kill()
      await exit
    }
  }

  it('finds nothing wrong where nothing is, in less than ten seconds', async () => {
    const stop = await timeServer(0)
    const { code, about, summary } = await doctor([...stun(), ...turn(), ...brokerOf('ann:right'), '--ntp', lab.servers.ipv4[0]], { host })
    await stop()
    expect(about('nat')).to.include({ state: 'ok' })
    expect(about('nat').message).to.match(/^no NAT/)
    for (const check of ['stun', 'clock skew', 'ntp', 'broker', 'turn']) expect(about(check), check).to.include({ state: 'ok' })
    expect(about('broker').message).to.match(/^login accepted in .*, a message came back in .*, MQTT 5$/)
    expect(about('turn').message).to.match(/^login accepted, relays on 203\.0\.113\.1\d for TCP over TCP in .*, for UDP over UDP/)
    expect(code).to.equal(0)
    expect(summary.elapsedMs).to.be.below(LIMIT_MS)
  })

  const kinds = {
    'symmetric-random': [/^symmetric NAT .*random ports/, 'warning', /--turn/],
    'symmetric-sequential': [/^symmetric NAT .*in sequence, delta \d/, 'warning', /delta \d/],
    'port-restricted': [/^port-restricted NAT/, 'ok', undefined],
    'full-cone': [/^full-cone NAT/, 'ok', undefined],
    firewall: [/^no NAT, but a firewall/, 'ok', undefined]
  }
  for (const [kind, [message, state, hint]] of Object.entries(kinds))
    it(`says what a router of the kind ${kind} is, with the other checks beside it`, async () => {
      await lab.setNat('a', kind)
      const { about } = await doctor([...stun(), ...brokerOf('ann:right')], { host })
      const nat = about('nat')
      expect(nat.message).to.match(message)
      expect(nat.state).to.equal(state)
      if (hint !== undefined) expect(nat.hint).to.match(hint)
      expect(nat.details.externalAddress).to.equal(lab.addresses('a').publicIpv4)
      expect(nat.details.tcp.mapping).to.be.a('string')
    })

  it('says that UDP is blocked, and that TCP is not', async () => {
    await lab.setNat('a', 'port-restricted')
    await lab.blockUdp('a')
    const { about, code, summary } = await doctor([...stun(), ...turn()], { host })
    await lab.blockUdp('a', false)
    expect(about('nat')).to.include({ state: 'warning' })
    expect(about('nat').message).to.match(/^blocked over UDP, .*NAT.* over TCP/)
    expect(about('turn')).to.include({ state: 'ok' })
    expect(about('turn').message).to.match(/for TCP over TCP/)
    expect(code).to.equal(0)
    expect(summary.elapsedMs).to.be.below(LIMIT_MS)
  })

  it('tells logins that are refused, and rights that are missing', async () => {
    const refused = await doctor([...brokerOf('ann:wrong'), ...turn('wrong')], { host })
    expect(refused.about('broker')).to.include({ state: 'problem', code: 'ERR_MQTT_REFUSED' })
    expect(refused.about('turn')).to.include({ state: 'problem', code: 'ERR_STUN_CREDENTIALS' })
    expect(refused.code).to.equal(1)
    const anonymous = await doctor(['--broker', broker.url], { host })
    expect(anonymous.about('broker').hint).to.include('It wants a login')
    const unread = await doctor(brokerOf('bob:right'), { host })
    expect(unread.about('broker')).to.include({ state: 'problem', code: 'ERR_MQTT_DENIED' })
    expect(unread.about('broker').hint).to.include('read kithmesh/#')
  })

  it('tells a clock that is off, and by how much', async () => {
    const stop = await timeServer(90_000)
    const { about, code } = await doctor(['--ntp', lab.servers.ipv4[0]], { host })
    await stop()
    expect(about('clock skew')).to.include({ state: 'problem' })
    expect(about('clock skew').message).to.match(/^90 s behind/)
    expect(about('clock skew').details.offsetMs).to.be.closeTo(90_000, 1_000)
    expect(code).to.equal(1)
  })

  it('tells servers that are not there, in less than ten seconds', async () => {
    const silent = '203.0.113.77'
    const words = [
      '--stun',
      `stun:${silent}`,
      '--broker',
      `mqtt://${silent}`,
      '--turn',
      `turn:${silent}`,
      '--turn-user',
      'a:b',
      '--ntp',
      silent
    ]
    const { about, code, summary, findings } = await doctor([...words, '--network'], { host })
    for (const check of ['nat', 'stun', 'broker', 'turn', 'ntp']) expect(about(check).state, check).to.equal('problem')
    for (const { state, hint, check } of findings.values()) if (state !== 'ok') expect(hint, check).to.be.a('string').with.length.above(10)
    expect(code).to.equal(1)
    expect(summary.elapsedMs).to.be.below(LIMIT_MS)
  })

  it('prints the same for people, without the password', async () => {
    await lab.setNat('a', 'symmetric-random')
    const { out, err } = await run(['doctor', ...stun(), ...brokerOf('ann:wrong'), ...turn('hidden')], { host })
    expect(out).to.match(/^warning {2}nat \S+ IPv4: symmetric NAT .*\n {9}hint: ./m)
    expect(out).to.match(/^problem {2}broker 203\.0\.113\.10:1883: .* \[ERR_MQTT_REFUSED\]$/m)
    expect(out + err).to.not.match(/wrong|hidden/)
  })
})
