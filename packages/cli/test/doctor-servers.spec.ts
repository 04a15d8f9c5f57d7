import { expect } from 'chai'
import type { NatBehaviour, NetworkRoute } from '@kithmesh/core'
import type { NetworkTime, NtpServerReport } from '@kithmesh/network-clock'
import { clockErrors } from '@kithmesh/network-clock'
import { type BrokerProbe, mqttErrors } from '@kithmesh/provider-mqtt'
import { type BindingResult, stunErrors } from '@kithmesh/stun'
import type { TurnProbe } from '@kithmesh/transport-turn'
import type { StunAnswer } from '../dist/doctor/evidence/stun-server.js'
import { judgeNat, natType } from '../dist/doctor/nat.js'
import { judgeBroker, judgeStunServer, judgeTurnServer } from '../dist/doctor/servers.js'
import { judgeTime, judgeTimeFailure } from '../dist/doctor/time.js'

describe('kithmesh doctor: servers', () => {
  describe('the clock', () => {
    const server = (more: Partial<NtpServerReport> = {}): NtpServerReport => ({
      server: 'ntp.example',
      address: '192.0.2.1',
      outcome: 'chosen',
      offsetMs: 3,
      delayMs: 20,
      uncertaintyMs: 10,
      stratum: 2,
      samples: 4,
      kiss: undefined,
      reason: undefined,
      ...more
    })
    const time = (offsetMs: number, servers: readonly NtpServerReport[] = [server()], uncertaintyMs = 10): NetworkTime => ({
      offsetMs,
      uncertaintyMs,
      measuredAt: 0,
      networkMs: 0,
      servers
    })
    const skew = (offsetMs: number, uncertaintyMs = 10) => judgeTime(time(offsetMs, [], uncertaintyMs))[0]

    it('is right, off, or badly off, by more than is uncertain', () => {
      expect(skew(400)).to.include({ state: 'ok', message: "400 ms behind the network's time, ±10 ms" })
      expect(skew(-1_500)).to.include({ state: 'warning', message: "1.5 s ahead of the network's time, ±10 ms" })
      expect(skew(1_500, 800)?.state).to.equal('ok')
      expect(skew(200_000)).to.include({ state: 'problem' })
      expect(skew(200_000)?.hint).to.include('Certificates')
      expect(skew(5)?.details).to.deep.equal({ offsetMs: 5, uncertaintyMs: 10 })
    })

    it('has a line for each server', () => {
      const findings = judgeTime(
        time(3, [
          server(),
          server({ server: 'liar', outcome: 'falseticker', offsetMs: 86_400_000 }),
          server({ server: 'dead', outcome: 'unusable', reason: 'nothing listens there' }),
          server({ server: 'late', outcome: 'unneeded' })
        ])
      )
      expect(findings.map(({ check, state }) => `${check} ${state}`)).to.deep.equal([
        'clock skew ok',
        'ntp ntp.example ok',
        'ntp liar warning',
        'ntp dead warning'
      ])
      expect(findings[2]?.message).to.include('24 h off')
    })

    it('could not be compared with anything', () => {
      const dead = server({ server: 'dead', outcome: 'unusable', reason: 'it refuses to serve this machine (DENY)', kiss: 'DENY' })
      const silent = judgeTimeFailure(clockErrors.create('ERR_NTP_NO_ANSWER', 'none', { details: { servers: [dead] } }))
      expect(silent).to.have.lengthOf(1)
      expect(silent[0]).to.include({ check: 'ntp dead', state: 'problem', hint: 'Use another time server.' })
      const split = judgeTimeFailure(clockErrors.create('ERR_NTP_DISAGREEMENT', 'they differ', { details: { servers: [server()] } }))
      expect(split[0]).to.include({ check: 'clock skew', state: 'problem', code: 'ERR_NTP_DISAGREEMENT' })
      expect(judgeTimeFailure(new Error('x'))[0]).to.include({ state: 'problem', message: 'x' })
    })
  })

  describe('the NAT', () => {
    const behaviour = (
      mapping: NatBehaviour['mapping'],
      filtering: NatBehaviour['filtering'],
      ports: NatBehaviour['ports']
    ): NatBehaviour => ({
      mapping,
      filtering,
      ports
    })
    const eim = 'endpoint-independent'
    const apd = 'address-and-port-dependent'
    const unknown = behaviour('unknown', 'unknown', { kind: 'unknown' })
    const blocked = behaviour('blocked', 'unknown', { kind: 'unknown' })
    const cone = behaviour(eim, apd, { kind: 'equal' })
    const symmetric = behaviour(apd, apd, { kind: 'random' })
    const sequential = behaviour(apd, apd, { kind: 'independent', delta: 3 })
    const open = behaviour('none', eim, { kind: 'equal' })
    const route = (tcp: NatBehaviour, udp = tcp, more: Partial<NetworkRoute> = {}): NetworkRoute => ({
      interfaceIndex: 0,
      family: 4,
      localAddress: '192.168.1.5',
      externalAddress: '198.51.100.7',
      tcp,
      udp,
      ...more
    })
    const names = new Map([['192.168.1.5', 'wlan0']])
    const judge = (one: NetworkRoute, relay = false) => judgeNat({ routes: [one], measuredAt: 0 }, { relay, names })[0]

    it('has the names people know, with ports and delta', () => {
      expect(natType(cone)).to.equal('port-restricted NAT (endpoint-independent mapping, the same ports as inside)')
      expect(natType(behaviour(eim, eim, { kind: 'random' }))).to.equal('full-cone NAT (endpoint-independent mapping, random ports)')
      expect(natType(behaviour(eim, 'address-dependent', { kind: 'preserving' }))).to.match(/^restricted-cone NAT .*constant distance/)
      expect(natType(sequential)).to.equal('symmetric NAT (address-and-port-dependent mapping, ports in sequence, delta 3)')
      expect(natType(behaviour(apd, apd, { kind: 'range', low: 1, high: 9 }))).to.include('ports from 1 to 9')
      expect(natType(behaviour(eim, apd, { kind: 'dependent', delta: 2 }))).to.include('delta 2')
      expect(natType(open)).to.equal('no NAT')
      expect(natType(behaviour('none', apd, { kind: 'equal' }))).to.include('a firewall')
      expect(natType(blocked)).to.equal('blocked')
      expect(natType(unknown)).to.equal('not measured')
    })

    it('is fine when holes can be punched through it', () => {
      expect(judge(route(cone))).to.include({ check: 'nat wlan0 IPv4', state: 'ok' })
      expect(judge(route(cone))?.message).to.include('seen from outside as 198.51.100.7')
      expect(judge(route(open, open, { externalAddress: '192.168.1.5' }))?.message).to.not.include('seen from outside')
      expect(judge(route(cone))?.details).to.include({ externalAddress: '198.51.100.7' })
    })

    it('warns where ports depend on the destination, and says what is left', () => {
      expect(judge(route(symmetric))).to.include({ state: 'warning' })
      expect(judge(route(symmetric))?.hint).to.include('--turn')
      expect(judge(route(symmetric), true)?.hint).to.include('With the --turn server')
      expect(judge(route(sequential))?.hint).to.include('delta 3')
      expect(judge(route(unknown, symmetric))?.state).to.equal('warning')
    })

    it('tells what is blocked from what is not known', () => {
      expect(judge(route(blocked, blocked))?.state).to.equal('problem')
      expect(judge(route(cone, blocked))?.state).to.equal('warning')
      expect(judge(route(unknown, blocked))?.message).to.include('no STUN server told anything')
      expect(judge(route(unknown))?.state).to.equal('problem')
      expect(judge(route(unknown, unknown, { family: 6 }))?.state).to.equal('ok')
      expect(judgeNat({ routes: [], measuredAt: 0 }, { relay: false, names })[0]?.state).to.equal('problem')
    })

    it('tells of a NAT behind the NAT', () => {
      expect(judge(route(cone, cone, { externalAddress: '100.64.3.4' }))?.hint).to.include('forwarded port')
      expect(judge(route(cone, cone, { localAddress: '100.64.3.4' }))?.hint).to.include('provider')
    })
  })

  describe('STUN servers', () => {
    const result: BindingResult = {
      mapped: { address: '198.51.100.7', port: 40_000 },
      from: { address: '192.0.2.1', port: 3478 },
      other: undefined,
      origin: undefined,
      software: undefined,
      roundTripMs: 12,
      transmissions: 1
    }
    const good = (transport: StunAnswer['transport']): StunAnswer => ({ transport, result, error: undefined })
    const bad = (transport: StunAnswer['transport']): StunAnswer => ({
      transport,
      result: undefined,
      error: stunErrors.create('ERR_STUN_TIMEOUT', 'no answer within 3 s')
    })
    const judge = (...answers: StunAnswer[]) => judgeStunServer({ server: 'stun:s', answers, error: undefined })

    it('serve when they answer over TCP, which holes are punched with', () => {
      expect(judge(good('UDP'), good('TCP'))).to.include({
        state: 'ok',
        message: 'UDP: 12 ms, sees 198.51.100.7:40000; TCP: 12 ms, sees 198.51.100.7:40000'
      })
      expect(judge(good('TLS')).state).to.equal('ok')
      expect(judge(good('UDP'), bad('TCP'))).to.include({ state: 'warning' })
      expect(judge(bad('UDP'), good('TCP'))).to.include({ state: 'ok' })
      expect(judge(bad('UDP'), bad('TCP'))).to.include({ state: 'problem', code: 'ERR_STUN_TIMEOUT' })
      const unknown = stunErrors.create('ERR_STUN_RESOLVE', 'The host "s" has no address')
      expect(judgeStunServer({ server: 'stun:s', answers: [], error: unknown })).to.include({ state: 'problem', code: 'ERR_STUN_RESOLVE' })
    })
  })

  describe('brokers', () => {
    const fine: BrokerProbe = {
      id: 'b:8883',
      url: 'mqtts://b:8883',
      login: true,
      protocolVersion: 5,
      connectMs: 80,
      roundTripMs: 21,
      failure: undefined
    }

    it('serve when a message comes back', () => {
      expect(judgeBroker(fine)).to.deep.include({
        check: 'broker b:8883',
        state: 'ok',
        message: 'login accepted in 80 ms, a message came back in 21 ms, MQTT 5'
      })
      expect(judgeBroker({ ...fine, url: 'mqtt://b:1883' }).hint).to.include('mqtts:')
    })

    const failing = (step: NonNullable<BrokerProbe['failure']>['step'], error: Error, login = true) =>
      judgeBroker({ ...fine, login, failure: { step, error } })

    it('are explained where they do not', () => {
      const refused = mqttErrors.create('ERR_MQTT_REFUSED', 'The broker b refused the connection: Not authorized')
      expect(failing('connect', refused)).to.include({ state: 'problem', code: 'ERR_MQTT_REFUSED' })
      expect(failing('connect', refused).hint).to.include('user name and password')
      expect(failing('connect', refused, false).hint).to.include('wants a login')
      const dead = (code: string) =>
        failing('connect', mqttErrors.create('ERR_MQTT_CONNECT', 'Cannot reach', { cause: Object.assign(new Error('x'), { code }) })).hint
      expect(dead('ECONNREFUSED')).to.include('Nothing listens')
      expect(dead('ENOTFOUND')).to.include('not known')
      expect(dead('EWHATEVER')).to.include('Check the URL')
      const denied = mqttErrors.create('ERR_MQTT_DENIED', 'no')
      expect(failing('subscribe', denied).hint).to.include('read kithmesh/#')
      expect(failing('receive', denied).hint).to.include('read kithmesh/#')
      expect(failing('publish', denied).hint).to.include('write kithmesh/#')
    })
  })

  describe('TURN servers', () => {
    const probe = (relay: 'tcp' | 'udp', transport: 'udp' | 'tcp' | 'tls', more: Partial<TurnProbe> = {}): TurnProbe => ({
      uri: 'turn:t',
      relay,
      transport,
      elapsedMs: 30,
      relayed: { address: '203.0.113.9', port: 50_000 },
      mapped: { address: '198.51.100.7', port: 40_000 },
      error: undefined,
      ...more
    })
    const failing = (relay: 'tcp' | 'udp', transport: 'udp' | 'tcp', code: Parameters<typeof stunErrors.create>[0]): TurnProbe =>
      probe(relay, transport, { relayed: undefined, mapped: undefined, error: stunErrors.create(code, `it says ${code}`) })

    it('serve when they give relays', () => {
      const finding = judgeTurnServer('turn:t', [probe('tcp', 'tcp'), probe('udp', 'udp')])
      expect(finding).to.include({ check: 'turn turn:t', state: 'ok' })
      expect(finding.message).to.equal('login accepted, relays on 203.0.113.9 for TCP over TCP in 30 ms, for UDP over UDP in 30 ms')
    })

    it('are explained where they do not', () => {
      const refused = judgeTurnServer('turn:t', [failing('tcp', 'tcp', 'ERR_STUN_CREDENTIALS')])
      expect(refused).to.include({ state: 'problem', code: 'ERR_STUN_CREDENTIALS' })
      expect(refused.hint).to.include('password')
      const dead = judgeTurnServer('turn:t', [failing('tcp', 'tcp', 'ERR_STUN_CONNECT'), failing('udp', 'udp', 'ERR_TURN_QUOTA')])
      expect(dead.code, 'what says most').to.equal('ERR_TURN_QUOTA')
      expect(judgeTurnServer('turn:t', []).state).to.equal('problem')
    })

    it('are told apart by what else they lack', () => {
      const half = judgeTurnServer('turn:t', [failing('tcp', 'tcp', 'ERR_STUN_TIMEOUT'), probe('udp', 'udp')])
      expect(half).to.include({ state: 'ok' })
      expect(half.message).to.include('TCP: it says ERR_STUN_TIMEOUT')
      expect(judgeTurnServer('turn:t', [failing('tcp', 'tcp', 'ERR_TURN_TRANSPORT'), probe('udp', 'udp')]).hint).to.include('RFC 6062')
      const hidden = judgeTurnServer('turn:t', [probe('udp', 'udp', { relayed: { address: '10.0.0.2', port: 1 } })])
      expect(hidden).to.include({ state: 'warning' })
      expect(hidden.hint).to.include('--external-ip')
    })
  })
})
