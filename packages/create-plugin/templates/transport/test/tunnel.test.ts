import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, it } from 'node:test'
import { rejection } from '@kithmesh/testkit'
import { MAX_HEAD_BYTES, readResponseHead } from '../src/response-head.ts'
import { openTunnel } from '../src/tunnel.ts'
import { startProxy } from './proxy.ts'

describe('the head of a response', () => {
  const read = (text: string): unknown => readResponseHead(Buffer.from(text, 'latin1'))
  it('is waited for until it is whole', () => {
    const whole = 'HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n'
    for (let length = 0; length < whole.length; length++) assert.equal(read(whole.slice(0, length)), undefined)
    assert.deepEqual(read(`${whole}rest`), { status: 200, reason: 'Connection established', length: whole.length })
  })
  for (const [what, text] of Object.entries({
    'another protocol': 'SSH-2.0-x\r\n',
    'no status': 'HTTP/1.1 \r\n\r\n',
    'a status of four digits': 'HTTP/1.1 2000 OK\r\n\r\n',
    'another version': 'HTTP/2 200\r\n\r\n',
    'no end': `HTTP/1.1 200 OK\r\n${'x'.repeat(MAX_HEAD_BYTES)}`
  })) {
    it(`is refused: ${what}`, () => {
      assert.equal(read(text), 'invalid')
    })
  }
})

describe('a tunnel', () => {
  const cleanup: (() => Promise<void>)[] = []
  afterEach(async () => {
    for (const clean of cleanup.splice(0)) await clean()
  })
  const open = async (answer: (socket: Socket) => void, signal = AbortSignal.timeout(5000)): Promise<Socket> => {
    const { url, close } = await startProxy(answer)
    cleanup.push(close)
    const { hostname, port } = new URL(url)
    return await openTunnel({ host: hostname, port: Number(port) }, '192.0.2.7:4984', signal)
  }
  const code = async (promise: Promise<unknown>): Promise<unknown> => (await rejection(promise)).code

  it('loses nothing of what comes right behind the head', async () => {
    const socket = await open((proxy) => {
      proxy.end('HTTP/1.1 200 OK\r\n\r\nthe first bytes')
    })
    const chunks: Buffer[] = []
    for await (const chunk of socket) chunks.push(chunk as Buffer)
    assert.equal(Buffer.concat(chunks).toString(), 'the first bytes')
  })
  it('is refused with the status that the proxy gives', async () => {
    const error = await rejection(open((proxy) => proxy.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')))
    assert.equal(error.code, 'ERR___CODE___REFUSED')
    assert.equal(error.details?.['status'], 407)
  })
  it('is not opened by something that is no proxy', async () => {
    assert.equal(await code(open((proxy) => proxy.end('220 mail.example ESMTP\r\n'))), 'ERR___CODE___PROTOCOL')
  })
  it('is not opened by a proxy that hangs up', async () => {
    assert.equal(await code(open((proxy) => proxy.destroy())), 'ERR___CODE___PROXY')
  })
  it('is given up when the signal aborts, and the proxy is told', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    let closed: Promise<unknown> | undefined
    const opening = open((proxy) => {
      proxy.resume()
      closed = once(proxy, 'close')
      controller.abort(reason)
      proxy.once('end', () => proxy.end())
    }, controller.signal)
    assert.equal(await rejection(opening), reason)
    await closed
  })
})
