import { expect } from 'chai'
import { run, startRelay, team } from './programs.mjs'

const group = 'kithmesh/6ba7b810-9dad-11d1-80b4-00c04fd430c8'
const node = 'a'.repeat(64)

for (const tls of [false, true])
  describe(`the clients of mosquitto and our broker, ${tls ? 'TLS' : 'TCP'}`, () => {
    let server
    before(async () => {
      server = await startRelay({ tls })
    })
    after(() => server[Symbol.asyncDispose]())

    const mosquitto = (program, args, { password = team.password } = {}) =>
      run(`mosquitto_${program}`, [
        ...['-h', '127.0.0.1', '-p', server.ports.mqtt, '-u', team.username, '-P', password],
        ...(tls ? ['--cafile', server.certFile] : []),
        ...args
      ])

    it('leaves a message for somebody who comes later', async () => {
      const { code, text } = await mosquitto('pub', ['-t', `${group}/p/${node}`, '-m', 'hello', '-r', '-q', '1'])
      expect([code, text]).to.deep.equal([0, ''])
      expect(await mosquitto('sub', ['-t', `${group}/p/+`, '-C', '1', '-W', '60', '-q', '1'])).to.deep.equal({ code: 0, text: 'hello\n' })
    })

    it('passes a message on to somebody who waits for it', async () => {
      const waiting = mosquitto('sub', ['-t', `${group}/i/${node}`, '-C', '1', '-W', '60'])
      let over = false
      void waiting.then(() => {
        over = true
      })
      while (!over) await mosquitto('pub', ['-t', `${group}/i/${node}`, '-m', 'a letter', '-q', '1'])
      expect(await waiting).to.deep.equal({ code: 0, text: 'a letter\n' })
    })

    it('executes a last will', async () => {
      const will = ['--will-topic', `${group}/p/${node}`, '--will-payload', 'gone', '--will-retain', '--will-qos', '1']
      // It ends by time without a goodbye only when it is killed; a client that breaks the rules is as good.
      const { code } = await mosquitto('pub', ['-t', 'other/topic', '-m', 'x', '-q', '1', ...will])
      expect(code).not.to.equal(0)
      expect(await mosquitto('sub', ['-t', `${group}/p/${node}`, '-C', '1', '-W', '60'])).to.deep.equal({ code: 0, text: 'gone\n' })
    })

    it('refuses a wrong password, foreign topics, and looking for groups', async () => {
      const wrong = await mosquitto('pub', ['-t', `${group}/p/${node}`, '-m', 'x'], { password: 'wrong' })
      expect([wrong.code, wrong.text]).to.deep.equal([
        4,
        'Connection error: Connection Refused: bad user name or password.\nError: The connection was refused.\n'
      ])
      for (const filter of ['#', 'kithmesh/#', 'kithmesh/+/p/+', '$SYS/#']) {
        const { text } = await mosquitto('sub', ['-t', filter, '-W', '60'])
        expect(text, filter).to.contain('All subscription requests were denied')
      }
    })

    it('says to clients of MQTT 5 that it speaks another version', async () => {
      const { code, text } = await mosquitto('pub', ['-V', '5', '-t', `${group}/p/${node}`, '-m', 'x', '-q', '1'])
      expect(code).not.to.equal(0)
      expect(text).to.contain('Unsupported Protocol Version')
    })
  })
