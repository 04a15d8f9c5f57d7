// Strangers who take every file descriptor a process may have: no listener ends the program or keeps it busy, who is connected stays so, and whoever comes
// when there are descriptors again is served.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { eventually } from '../../support/eventually.mjs'

const FEW = 256
const CALLERS = 30

const httpRequest = Buffer.from('GET /db/x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
/** What each listener is said, in two parts, and how its answer begins. */
const spoken = {
  'the port of peers': [httpRequest, /^HTTP\/1\.1 426 /],
  'the URL listener': [httpRequest, /^HTTP\/1\.1 4\d\d /],
  // CONNECT of MQTT 3.1.1 with a wrong login; the answer is a CONNACK.
  "the relay's broker": [
    Buffer.concat([
      Buffer.from([0x10, 25, 0, 4]),
      Buffer.from('MQTT'),
      Buffer.from([4, 0xc2, 0, 60, 0, 1, 0x61, 0, 4]),
      Buffer.from('team'),
      Buffer.from([0, 4]),
      Buffer.from('none')
    ]),
    /^\x20/
  ],
  // A Binding request, and its answer.
  "the relay's TURN server": [Buffer.concat([Buffer.from([0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]), Buffer.alloc(12, 7)]), /^\x01\x01/],
  'the dashboard': [httpRequest, /^HTTP\/1\.1 200 /]
}

describe('a process without file descriptors', function () {
  this.timeout(150_000)
  let child
  let died
  let ports
  const sockets = []

  /** Asks the process, which answers by one message. */
  const ask = async (question) => {
    const answer = once(child, 'message')
    child.send(question)
    return (await Promise.race([answer, died]))[0]
  }
  const call = (port) => {
    const socket = connect(port, '127.0.0.1')
    sockets.push(socket)
    const caller = { socket, heard: '', over: false }
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      caller.heard += bytes.toString('latin1')
    })
    socket.on('close', () => {
      caller.over = true
    })
    return caller
  }

  beforeEach(async function () {
    if (process.platform === 'win32') this.skip()
    // Node raises the soft limit to the hard one, so it is both.
    const listeners = fileURLToPath(new URL('listeners.mjs', import.meta.url))
    child = spawn('sh', ['-c', `ulimit -n ${FEW} && exec "$0" "$1"`, process.execPath, listeners], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc']
    })
    died = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`the process has ended: ${code ?? signal}`)
    })
    died.catch(() => {})
    ;[{ ports }] = await Promise.race([once(child, 'message'), died])
  })
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy()
    if (child?.connected) {
      const gone = once(child, 'exit')
      child.disconnect()
      await gone
    }
  })

  it('goes on with who is connected, and takes new connections when it can again', async () => {
    expect(Object.keys(ports)).to.have.members(Object.keys(spoken))
    const kept = {}
    for (const [name, [words]] of Object.entries(spoken)) {
      kept[name] = call(ports[name])
      await once(kept[name].socket, 'connect')
      kept[name].socket.write(words.subarray(0, 3))
    }
    // Whoever was accepted before is known to be when somebody who came later was answered.
    for (const [name, [words, answer]] of Object.entries(spoken)) {
      const later = call(ports[name])
      later.socket.write(words)
      await eventually(`an answer of ${name} at the beginning`, () => answer.test(later.heard))
      later.socket.destroy()
    }

    // What they leave would be room for others.
    await eventually(
      'those who were answered to be gone',
      async () => (await ask('connections')).connections === Object.keys(spoken).length
    )
    await ask('take')
    const refused = Object.values(ports).flatMap((port) => Array.from({ length: CALLERS }, () => call(port)))
    await eventually('the end of those who came when there was no room', () => refused.every(({ over }) => over))
    for (const [name, [words, answer]] of Object.entries(spoken)) {
      kept[name].socket.write(words.subarray(3))
      await eventually(`an answer of ${name} to who was connected`, () => answer.test(kept[name].heard))
    }
    expect((await ask('complaints')).complaints, 'what is logged').to.be.below(CALLERS)

    await ask('giveBack')
    for (const [name, [words, answer]] of Object.entries(spoken)) {
      await eventually(`${name} to serve again`, async () => {
        const caller = call(ports[name])
        caller.socket.write(words)
        await eventually(`an answer of ${name} afterwards`, () => caller.over || answer.test(caller.heard))
        return answer.test(caller.heard)
      })
    }
  })
})
