// The codecs of a replication by themselves: frames and properties of BLIP, deltas, version vectors. What is wrong is refused with a code of
// ours; what is taken can be written and read again.
import assert from 'node:assert/strict'
import { isKithmeshError } from '@kithmesh/core'
import { formatVector, parseHistory, parseVector } from '../../../packages/database/dist/vectors/wire-form.js'
import { FrameDecoder, PropertiesParser } from '@kithmesh/blip/wire'
import { applyDelta } from '../../../packages/replicator/dist/delta/apply-delta.js'
import { encodeDelta } from '../../../packages/replicator/dist/delta/encode-delta.js'
import { HostileClient, MORE_COMING, encodeProperties } from '../../e2e/cli/hostile-client.mjs'
import { evilBody, evilBytes, evilCopy, evilText } from '../evil.mjs'

/** The result, or undefined when it was refused as it should be. */
function taken(read) {
  try {
    return { value: read() }
  } catch (error) {
    assert(isKithmeshError(error), `refused without a code: ${error?.stack}`)
    return undefined
  }
}

/** Collects the frames of a client instead of sending them. */
class FrameMaker extends HostileClient {
  made = []

  constructor() {
    super({ once: () => {}, on: () => {} })
  }

  message(bytes) {
    this.made.push(bytes)
  }
}

/** Frames of several messages, one after the other through one decoder: the first wrong one ends the connection. */
export const frames = {
  name: 'frames',
  run(choices) {
    const maker = new FrameMaker()
    for (let n = 1 + choices.below(6); n > 0; n--) {
      const number = choices.oneIn(10) ? choices.below(2 ** 24) : 1 + choices.below(4)
      const flags = choices.oneIn(3) ? choices.byte() & ~0x88 : choices.pick([0, 1, 2, MORE_COMING, 0x10, 0x20])
      const content = Buffer.concat([
        encodeProperties({ Profile: 'rev', [evilText(choices)]: evilText(choices) }),
        choices.bytes(choices.below(60))
      ])
      if (choices.oneIn(2)) maker.compressedFrame(number, flags & ~8, content)
      else maker.frame(number, flags, content)
    }
    const decoder = new FrameDecoder()
    try {
      for (const good of maker.made) {
        const read = taken(() => decoder.decode(choices.oneIn(4) ? evilBytes(good, choices) : good))
        if (read === undefined) return
        const { content, start, end } = read.value
        assert(start <= end && end <= content.length, 'a frame ends outside of its bytes')
        const properties = taken(() => new PropertiesParser().push(content, start, end))?.value
        if (properties !== undefined) assert(properties.next <= end, 'properties end outside of their frame')
      }
    } finally {
      decoder.close()
    }
  }
}

const documents = [
  { text: 'The quick brown fox jumps over the lazy dog. '.repeat(5), list: [1, 2, { a: [] }, 'x'], nested: { a: { b: null } } },
  { text: '\ud83d\ude00 \u00e9 e\u0301 '.repeat(20), list: [[], [[1]], {}], '': 0, ['__proto__']: { x: 1 } }
]

/** A delta between two documents applies and makes the second; anything else is applied or refused, and stays as small as what went in. */
export const deltas = {
  name: 'deltas',
  run(choices) {
    const document = choices.pick(documents)
    let other = evilCopy(document, choices)
    if (typeof other !== 'object' || other === null || Array.isArray(other)) other = { value: other }
    const [before, after] = [document, other].map((value) => Buffer.from(JSON.stringify(value)))
    const delta = encodeDelta(before, after)
    if (delta === undefined) return
    assert.deepEqual(JSON.parse(applyDelta(before, delta).toString()), JSON.parse(after.toString()), 'a delta made something else')
    const [source, evil] = [choices.oneIn(3) ? evilBody(before, choices) : before, evilBody(delta, choices)]
    const made = taken(() => applyDelta(source, evil))?.value
    if (made !== undefined) assert(made.length <= source.length + evil.length, 'a delta made more than went in')
  }
}

const vectorTexts = [
  '18d0a@AAAAAAAAAAAAAAAAAAAAAA',
  '18d0b@AAAAAAAAAAAAAAAAAAAAAA, 18d0a@BBBBBBBBBBBBBBBBBBBBBA, 18d09@AAAAAAAAAAAAAAAAAAAAAA; 1@CCCCCCCCCCCCCCCCCCCCCA',
  '18d0a@AAAAAAAAAAAAAAAAAAAAAA; 5@BBBBBBBBBBBBBBBBBBBBBA, 3-abcdef, 2-abcdee',
  '3-abcdef, 2-abcdee',
  '1@*; 2@BBBBBBBBBBBBBBBBBBBBBA'
]

/** Whole vectors and histories. */
export const vectors = {
  name: 'vectors',
  run(choices) {
    const good = choices.pick(vectorTexts)
    const text = choices.oneIn(6)
      ? evilText(choices)
      : choices.oneIn(3)
        ? `${good}${choices.pick([', ', '; ', ','])}${choices.pick(vectorTexts)}`
        : choices.oneIn(4)
          ? good
          : evilBytes(Buffer.from(good), choices).toString('latin1')
    const read = taken(() => parseVector(text))?.value
    if (read !== undefined) assert.deepEqual(parseVector(formatVector(read)), read, 'a vector that was read is written as another')
    taken(() => parseHistory('18d0f@DDDDDDDDDDDDDDDDDDDDDA', text))
  }
}
