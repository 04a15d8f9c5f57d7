import { PassThrough, Readable } from 'node:stream'
import { expect } from 'chai'
import { readLines } from '../dist/json-lines.js'

const never = new AbortController().signal

async function lines(chunks: readonly (string | Buffer)[], maxBytes = 100): Promise<(string | undefined)[]> {
  const found: (string | undefined)[] = []
  let expected = 1
  for await (const batch of readLines(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), { maxBytes, signal: never })) {
    for (const { number, bytes } of batch) {
      expect(number).to.equal(expected++)
      found.push(bytes?.toString())
    }
  }
  return found
}

describe('reading lines', () => {
  it('finds them wherever the chunks are cut', async () => {
    const text = 'ä\r\n\nbb\nüü'
    for (let cut = 0; cut <= Buffer.byteLength(text); cut++) {
      const bytes = Buffer.from(text)
      expect(await lines([bytes.subarray(0, cut), bytes.subarray(cut)])).to.deep.equal(['ä', '', 'bb', 'üü'])
    }
    expect(await lines([...Buffer.from(text)].map((byte) => Buffer.of(byte)))).to.deep.equal(['ä', '', 'bb', 'üü'])
  })

  it('has none for an empty stream, and no extra one for a last line break', async () => {
    expect(await lines([])).to.deep.equal([])
    expect(await lines([''])).to.deep.equal([])
    expect(await lines(['a\n'])).to.deep.equal(['a'])
  })

  it('leaves a byte order mark out, at the start only', async () => {
    expect(await lines(['\ufeffa\n\ufeffb'])).to.deep.equal(['a', '\ufeffb'])
  })

  it('passes over a line that is too long without keeping it', async () => {
    expect(await lines(['12345\n123456\n12345\r\n', '123', '456', '789\n1', '\n'], 5)).to.deep.equal([
      '12345',
      undefined,
      '12345',
      undefined,
      '1'
    ])
    expect(await lines(['123456789'], 5)).to.deep.equal([undefined])
  })

  it('fails as the stream does, after the lines before', async () => {
    const input = new PassThrough()
    input.write('a\n')
    const seen: string[] = []
    let error: unknown
    try {
      for await (const batch of readLines(input, { maxBytes: 10, signal: never })) {
        seen.push(...batch.map(({ bytes }) => String(bytes)))
        input.destroy(new Error('broken'))
      }
    } catch (caught) {
      error = caught
    }
    expect(seen).to.deep.equal(['a'])
    expect(error).to.be.an('error').with.property('message', 'broken')
  })

  it('ends when interrupted, while it waits for input and before', async () => {
    for (const early of [true, false]) {
      const stopping = new AbortController()
      const reason = new Error('enough')
      if (early) stopping.abort(reason)
      else
        setImmediate(() => {
          stopping.abort(reason)
        })
      let error: unknown
      try {
        for await (const _ of readLines(new PassThrough(), { maxBytes: 10, signal: stopping.signal })) expect.fail('no line was written')
      } catch (caught) {
        error = caught
      }
      expect(error).to.equal(reason)
    }
  })
})
