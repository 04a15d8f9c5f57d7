import { expect } from 'chai'
import { Gate, type GateRequest } from '../dist/server/gate.js'

describe('the gate of the page server', () => {
  const gate = new Gate('the-token')
  gate.listensOn(8080)
  const request = (given: Partial<GateRequest>): GateRequest => ({
    method: 'GET',
    host: '127.0.0.1:8080',
    origin: undefined,
    cookie: undefined,
    authorization: undefined,
    token: undefined,
    ...given
  })
  const cookieOf = (of: Gate): string => {
    const verdict = of.judge(request({ token: 'the-token' }))
    if (verdict.allow !== 'with-cookie') throw new Error('the token was refused')
    return verdict.setCookie.split(';', 1)[0] ?? ''
  }

  it('wants the token, and gives a cookie for it that scripts and other sites do not get', () => {
    expect(gate.judge(request({}))).to.include({ allow: false, status: 401 })
    expect(gate.judge(request({ token: 'wrong' }))).to.include({ allow: false, status: 401 })
    const verdict = gate.judge(request({ token: 'the-token' }))
    expect(verdict).to.include({ allow: 'with-cookie' })
    expect('setCookie' in verdict && verdict.setCookie).to.match(/^inventory-8080=\S+; HttpOnly; SameSite=Strict; Path=\/$/)
    expect(cookieOf(gate)).to.not.include('the-token')
  })

  it('lets the cookie in, and the token as a bearer', () => {
    expect(gate.judge(request({ cookie: `other=1; ${cookieOf(gate)}` }))).to.deep.equal({ allow: true })
    expect(gate.judge(request({ method: 'POST', authorization: 'Bearer the-token' }))).to.deep.equal({ allow: true })
    expect(gate.judge(request({ cookie: 'inventory-8080=wrong' }))).to.include({ allow: false, status: 401 })
    expect(gate.judge(request({ cookie: cookieOf(gate).replace('8080', '8081') }))).to.include({ allow: false, status: 401 })
  })

  it('answers to its own name only, against DNS rebinding', () => {
    for (const host of ['evil.example', 'evil.example:8080', '127.0.0.1', '127.0.0.1:8081', undefined])
      expect(gate.judge(request({ host, cookie: cookieOf(gate), token: 'the-token' })), String(host)).to.include({
        allow: false,
        status: 421
      })
    expect(gate.judge(request({ host: 'LOCALHOST:8080', cookie: cookieOf(gate) }))).to.deep.equal({ allow: true })
  })

  it('refuses what another site sends, whatever cookie comes with it', () => {
    const cookie = cookieOf(gate)
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:8081', 'https://127.0.0.1:8080'])
      for (const method of ['GET', 'POST'])
        expect(gate.judge(request({ method, cookie, origin })), `${method} ${origin}`).to.include({ allow: false, status: 403 })
    expect(gate.judge(request({ method: 'POST', cookie }))).to.include({ allow: false, status: 403 })
    expect(gate.judge(request({ method: 'POST', cookie, origin: 'http://127.0.0.1:8080' }))).to.deep.equal({ allow: true })
  })

  it('takes a token in the address for reading only', () => {
    expect(gate.judge(request({ method: 'POST', token: 'the-token', origin: 'http://127.0.0.1:8080' }))).to.include({
      allow: false,
      status: 401
    })
  })
})
