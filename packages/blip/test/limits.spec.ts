import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect } from 'chai'
import { errorCode } from '@kithmesh/core'
import fc from 'fast-check'
import { COMPRESSED, MORE_COMING, NO_REPLY, RESPONSE } from '../dist/frame.js'
import { FrameDecoder } from '../dist/frame-decoder.js'
import { writeVarint } from '../dist/varint.js'
import { eventually } from '@kithmesh/testkit'
import { block, RawPeer } from './raw-peer.ts'

const rev = block('Profile', 'rev')
/** 2^53 + 1, which as a double would be 2^53. */
const TOO_LARGE = Buffer.from('8180808080808010', 'hex')

/** Content with a free choice of the announced length of the properties. */
function content(length: number, properties: string | Buffer): Buffer {
  const header = Buffer.alloc(10)
  return Buffer.concat([header.subarray(0, writeVarint(header, 0, length)), Buffer.from(properties)])
}

describe('violations of the protocol (blip.md §13)', () => {
  const rows: { what: string; code: string; run: (peer: RawPeer) => void }[] = [
    {
      what: 'an empty message',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.alloc(0))
      }
    },
    {
      what: 'a frame of one byte',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.from([1]))
      }
    },
    {
      what: 'a frame too short for its checksum',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.from([1, 0, 0, 0, 0]))
      }
    },
    {
      what: 'an acknowledgement without count',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.from([1, 0x34]))
      }
    },
    {
      what: 'an acknowledgement with an endless count',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.concat([Buffer.from([1, 0x34]), Buffer.alloc(11, 0x80)]))
      }
    },
    {
      what: 'an acknowledgement of more than 2^53 bytes',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.concat([Buffer.from([1, 0x34]), TOO_LARGE]))
      }
    },
    {
      what: 'a message number above 2^53',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.concat([TOO_LARGE, Buffer.from([0, 0, 0, 0, 0, 0])]))
      }
    },
    {
      what: 'properties announced with more than 2^53 bytes',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.send(1, 0, undefined, Buffer.concat([TOO_LARGE, Buffer.from('x')]))
      }
    },
    {
      what: 'properties announced with 2^53 - 1 bytes, to come in later frames',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, MORE_COMING, undefined, content(Number.MAX_SAFE_INTEGER, 'x'))
      }
    },
    {
      what: 'flags above 127',
      code: 'ERR_BLIP_FRAME',
      run: (peer) => {
        peer.raw(Buffer.from([1, 0x80, 1, 0, 0, 0, 0, 0]))
      }
    },
    {
      what: 'a wrong checksum',
      code: 'ERR_BLIP_CHECKSUM',
      run: (peer) => {
        peer.raw(Buffer.from([1, 0, 0, 1, 2, 3, 4]))
      }
    },
    {
      what: 'data that cannot be inflated',
      code: 'ERR_BLIP_COMPRESSION',
      run: (peer) => {
        peer.raw(Buffer.from([1, COMPRESSED, 255, 255, 255, 255, 0, 0, 0, 0]))
      }
    },
    {
      what: 'text instead of frames',
      code: 'ERR_BLIP_CHECKSUM',
      run: (peer) => {
        peer.raw(Buffer.from('A hello from another protocol'))
      }
    },
    {
      what: 'properties over 100 KiB',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, 0, undefined, content(102_401, '\0'.repeat(102_401)))
      }
    },
    {
      what: 'properties announced over 100 KiB, to come in later frames',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, MORE_COMING, undefined, content(102_401, 'x'))
      }
    },
    {
      what: 'properties without end',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, 0, undefined, content(3, 'a\0b'))
      }
    },
    {
      what: 'an odd number of properties',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, 0, block('a', 'b', 'c'))
      }
    },
    {
      what: 'properties that are not UTF-8',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, 0, undefined, content(4, Buffer.from([0xc0, 0, 0x61, 0])))
      }
    },
    {
      what: 'the same property twice',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, 0, block('a', 'b', 'a', 'c'))
      }
    },
    {
      what: 'malformed properties over several frames',
      code: 'ERR_BLIP_PROPERTIES',
      run: (peer) => {
        peer.send(1, MORE_COMING, undefined, content(4, 'a\0'))
        peer.send(1, 0, undefined, 'bb')
      }
    },
    {
      what: 'a message without content',
      code: 'ERR_BLIP_TRUNCATED',
      run: (peer) => {
        peer.send(1, 0, undefined)
      }
    },
    {
      what: 'a message that ends within its properties',
      code: 'ERR_BLIP_TRUNCATED',
      run: (peer) => {
        peer.send(1, 0, undefined, content(10, 'a\0b\0'))
      }
    },
    {
      what: 'a message of several frames that ends within its properties',
      code: 'ERR_BLIP_TRUNCATED',
      run: (peer) => {
        peer.send(1, MORE_COMING, undefined, content(10, 'a\0'))
        peer.send(1, 0, undefined, 'b\0')
      }
    },
    {
      what: 'a first request that is not number 1',
      code: 'ERR_BLIP_NUMBER',
      run: (peer) => {
        peer.send(2, 0, rev)
      }
    },
    {
      what: 'request number 0',
      code: 'ERR_BLIP_NUMBER',
      run: (peer) => {
        peer.send(0, 0, rev)
      }
    },
    {
      what: 'a request number left out',
      code: 'ERR_BLIP_NUMBER',
      run: (peer) => {
        peer.send(1, 0, rev)
        peer.send(3, 0, rev)
      }
    },
    {
      what: 'a request number used twice',
      code: 'ERR_BLIP_NUMBER',
      run: (peer) => {
        peer.send(1, 0, rev)
        peer.send(1, 0, rev)
      }
    },
    {
      what: 'a response to a request never sent',
      code: 'ERR_BLIP_NUMBER',
      run: (peer) => {
        peer.send(1, 1, '')
      }
    },
    {
      what: 'a frame over 1 MiB',
      code: 'ERR_BLIP_LIMIT',
      run: (peer) => {
        peer.send(1, 0, rev, Buffer.alloc(1_048_576))
      }
    },
    {
      what: 'a frame that inflates to more than 32 MiB',
      code: 'ERR_BLIP_LIMIT',
      run: (peer) => {
        peer.send(1, COMPRESSED, rev, Buffer.alloc(34_000_000))
      }
    },
    {
      what: 'too many messages at once',
      code: 'ERR_BLIP_LIMIT',
      run: (peer) => {
        for (let i = 1; i <= 513; i++) peer.send(i, MORE_COMING, rev, 'x')
      }
    }
  ]
  for (const { what, code, run } of rows) {
    it(`closes with 1002 on ${what}`, async () => {
      const peer = new RawPeer()
      let reply: unknown
      run(peer)
      peer.connection.handle('rev', () => {
        peer.connection.request({ profile: 'back' }, (value) => {
          reply = value
        })
      })
      const info = await peer.end()
      expect(errorCode(info.error)).to.equal(code)
      expect(info.code).to.equal(1002)
      expect(info.reason).to.have.length.above(5)
      expect(peer.seenClose?.code).to.equal(1002)
      expect(peer.seenClose?.reason).to.equal(info.reason)
      expect(Buffer.byteLength(info.reason)).to.be.at.most(123)
      if (reply !== undefined) expect(reply).to.deep.equal({ kind: 'disconnected' })
    })
  }

  it('understands nothing that comes after a violation', async () => {
    const peer = new RawPeer()
    let handled = 0
    peer.connection.handle('rev', () => {
      handled++
    })
    peer.send(2, 0, rev)
    peer.send(1, 0, rev)
    await peer.end()
    expect(handled).to.equal(0)
  })

  it('closes when incomplete messages hold too many bytes', async () => {
    const peer = new RawPeer({ maxBufferedBytes: 1_000_000 })
    for (let i = 1; i <= 20; i++) peer.send(i, MORE_COMING, rev, Buffer.alloc(100_000))
    expect(errorCode((await peer.end()).error)).to.equal('ERR_BLIP_LIMIT')
  })

  it('counts the cost of tiny pieces', async () => {
    const peer = new RawPeer({ maxBufferedBytes: 100_000 })
    peer.send(1, MORE_COMING, rev)
    for (let i = 0; i < 1000; i++) peer.send(1, MORE_COMING, undefined, 'x')
    expect(errorCode((await peer.end()).error)).to.equal('ERR_BLIP_LIMIT')
  })

  it('closes when requests pile up although answers are awaited from the other side', async () => {
    const peer = new RawPeer({ maxConcurrentRequests: 2, maxBufferedBytes: 100_000 })
    peer.connection.handle('rev', () => {})
    peer.connection.request({ profile: 'waiting' }, () => {})
    await peer.frame(0)
    for (let i = 1; i <= 200; i++) peer.send(i, 0, rev, Buffer.alloc(1000))
    expect(errorCode((await peer.end()).error)).to.equal('ERR_BLIP_LIMIT')
  })
})

describe('what is tolerated (blip.md §3, §9, §13)', () => {
  it('types that do not exist, acknowledgements of unknown messages or of more than was sent', async () => {
    const peer = new RawPeer()
    peer.connection.handle('rev', (request) => {
      request.respond()
    })
    peer.raw(Buffer.from([9, 3, 1, 2, 3, 4]))
    peer.raw(Buffer.from([1, 7]))
    peer.ack(1, 4, 100)
    peer.ack(77, 5, 1_000_000)
    peer.send(1, 0, rev)
    expect(await peer.frame(0)).to.include({ number: 1, type: 1 })
  })

  it('a second response, and one to a no-reply request', async () => {
    const peer = new RawPeer()
    const replies: string[] = []
    peer.connection.request({ profile: 'one' }, (reply) => {
      replies.push(reply.kind)
    })
    peer.connection.request({ profile: 'two', noReply: true })
    await peer.frame(1)
    peer.send(1, 1, '')
    peer.send(1, 1, '')
    peer.send(2, 1, '')
    peer.send(1, 2, '')
    await peer.settle()
    expect(replies).to.deep.equal(['ok'])
    expect(peer.closed).to.equal(undefined)
  })

  it('an empty compressed frame at the end of a message', async () => {
    const peer = new RawPeer()
    let body = ''
    peer.connection.handle('rev', (request) => {
      body = request.body.toString()
    })
    const frame = peer.encoder.encode(1, COMPRESSED | MORE_COMING, rev, Buffer.from('text'))
    peer.raw(frame)
    peer.raw(Buffer.concat([Buffer.from([1, COMPRESSED]), frame.subarray(-4)]))
    await peer.settle()
    expect(body).to.equal('text')
    expect(peer.closed).to.equal(undefined)
  })

  it('a message whose first frame is compressed and whose last is not', async () => {
    const peer = new RawPeer()
    let body = ''
    peer.connection.handle('rev', (request) => {
      body = request.body.toString()
    })
    peer.send(1, COMPRESSED | MORE_COMING, rev, 'one, ')
    peer.send(1, MORE_COMING, undefined, 'two, ')
    peer.send(1, COMPRESSED, undefined, 'three')
    await peer.settle()
    expect(body).to.equal('one, two, three')
  })
})

describe('limits that the application sets', () => {
  it('a frame may have maxFrameBytes, be that less or more than usual', async () => {
    const strict = new RawPeer({ maxFrameBytes: 1000 })
    strict.send(1, 0, rev, Buffer.alloc(1000))
    expect(errorCode((await strict.end()).error)).to.equal('ERR_BLIP_LIMIT')

    const patient = new RawPeer({ maxFrameBytes: 2_097_152 })
    let bytes = 0
    patient.connection.handle('rev', (request) => {
      bytes = request.body.length
    })
    patient.send(1, 0, rev, Buffer.alloc(1_500_000))
    await patient.settle()
    expect(bytes).to.equal(1_500_000)
  })

  it('that make no sense are refused', () => {
    const names = [
      'maxFrameBytes',
      'maxBodyBytes',
      'maxStreamedBodyBytes',
      'maxIncomingMessages',
      'maxBufferedBytes',
      'maxConcurrentRequests'
    ]
    for (const name of names)
      for (const value of [NaN, 0, -1, Infinity]) expect(() => new RawPeer({ [name]: value }), `${name} ${value}`).to.throw(TypeError, name)
    for (const compressFromBytes of [NaN, -1]) expect(() => new RawPeer({ compressFromBytes })).to.throw(TypeError, 'compressFromBytes')
    for (const maxInflatedFrameBytes of [NaN, 0]) expect(() => new FrameDecoder({ maxInflatedFrameBytes })).to.throw(TypeError)
  })

  it('maxIncomingMessages requests may arrive at once', async () => {
    const peer = new RawPeer({ maxIncomingMessages: 2 })
    peer.send(1, MORE_COMING, rev)
    peer.send(2, MORE_COMING, rev)
    await peer.settle()
    expect(peer.closed).to.equal(undefined)
    peer.send(3, MORE_COMING, rev)
    expect(errorCode((await peer.end()).error)).to.equal('ERR_BLIP_LIMIT')
  })

  it('a reply that is taken piece by piece may have maxStreamedBodyBytes, whatever maxBodyBytes is', async () => {
    const peer = new RawPeer({ maxBodyBytes: 100, maxStreamedBodyBytes: 1000 })
    const replies: unknown[] = []
    const taken = [0, 0]
    for (const index of [0, 1])
      peer.connection.request(
        { profile: 'blob' },
        (reply) => {
          replies.push(reply.kind === 'error' ? reply.code : reply.kind)
        },
        {
          onBody: (piece) => {
            taken[index] = (taken[index] ?? 0) + piece.length
          }
        }
      )
    await peer.frame(1)
    peer.send(1, RESPONSE, '', Buffer.alloc(1000))
    peer.send(2, RESPONSE | MORE_COMING, '', Buffer.alloc(1000))
    peer.send(2, RESPONSE, undefined, Buffer.alloc(1))
    await peer.settle()
    expect(replies).to.deep.equal(['ok', 413])
    expect(taken).to.deep.equal([1000, 1000])
  })
})

describe('messages over their limit', () => {
  it('answers a large request with 413 after its last frame, and goes on', async () => {
    const peer = new RawPeer({ maxBodyBytes: 1000 })
    let handled = 0
    peer.connection.handle('rev', (request) => {
      handled++
      request.respond()
    })
    peer.send(1, MORE_COMING, rev, Buffer.alloc(900))
    peer.send(1, MORE_COMING, undefined, Buffer.alloc(900))
    await peer.settle()
    expect(peer.frames).to.have.length(0)
    peer.send(1, 0, undefined, Buffer.alloc(900))
    peer.send(2, 0, rev, Buffer.alloc(1001))
    peer.send(3, COMPRESSED, rev, Buffer.alloc(1_000_000))
    peer.send(4, 0, rev, Buffer.alloc(1000))
    await peer.frame(3)
    expect(peer.frames.map(({ number, type }) => [number, type])).to.deep.equal([
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 1]
    ])
    expect(peer.frames[0]!.content.toString()).to.contain('Error-Code\x00413\0')
    expect(handled).to.equal(1)
    expect(peer.closed).to.equal(undefined)
  })

  it('says nothing to a large no-reply request', async () => {
    const peer = new RawPeer({ maxBodyBytes: 10 })
    peer.send(1, NO_REPLY, rev, Buffer.alloc(11))
    await peer.settle()
    expect(peer.frames).to.have.length(0)
    expect(peer.closed).to.equal(undefined)
  })

  it('ends a request whose reply is too large with 413, acknowledging the rest', async () => {
    const peer = new RawPeer()
    const replies: unknown[] = []
    peer.connection.request(
      { profile: 'get' },
      (reply) => {
        replies.push(reply)
      },
      { maxBodyBytes: 1000 }
    )
    await peer.frame(0)
    peer.send(1, 1 | MORE_COMING, '', Buffer.alloc(16_000))
    for (let i = 0; i < 9; i++) peer.send(1, 1 | MORE_COMING, undefined, Buffer.alloc(16_000))
    peer.send(1, 1, undefined, Buffer.alloc(16_000))
    await peer.settle()
    expect(replies).to.deep.equal([{ kind: 'error', domain: 'BLIP', code: 413, message: 'The reply is too large' }])
    expect(peer.frames.filter((frame) => frame.type === 5).map((frame) => frame.ackBytes)).to.deep.equal([64_017, 128_033])
  })
})

describe('damaged and random input', () => {
  /** Never throws out of the connection, ends it at most; then a fresh connection works. */
  async function survives(messages: readonly Buffer[]): Promise<void> {
    const peer = new RawPeer({ maxBodyBytes: 100_000, maxBufferedBytes: 500_000 })
    peer.connection.handle('rev', (request) => {
      request.respond({ body: request.body })
    })
    const replies: string[] = []
    peer.connection.request({ profile: 'question', body: Buffer.alloc(40_000) }, (reply) => {
      replies.push(reply.kind)
    })
    await peer.frame(2)
    for (const message of messages) peer.raw(message)
    await peer.settle()
    if (peer.closed !== undefined) {
      expect(peer.closed.code).to.equal(1002)
      expect(errorCode(peer.closed.error)).to.match(/^ERR_BLIP_/)
    }
    peer.connection.close()
    await peer.end()
    expect(replies).to.have.length(1)
  }

  it('survives random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 60 }), { minLength: 1, maxLength: 5 }), async (messages) => {
        await survives(messages.map((bytes) => Buffer.from(bytes)))
      }),
      { numRuns: 300 }
    )
  })

  it('survives correct frames with arbitrary numbers, flags and content', async () => {
    const frame = fc.record({
      number: fc.integer({ min: 0, max: 3 }),
      flags: fc.nat(127),
      head: fc.option(fc.constantFrom('', rev, 'x', 'a\0')),
      body: fc.uint8Array({ maxLength: 40 })
    })
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { minLength: 1, maxLength: 12 }), async (frames) => {
        const { encoder } = new RawPeer()
        await survives(
          frames.map(({ number, flags, head, body }) => {
            const type = flags & 7
            if (type === 4 || type === 5) return encoder.encodeAck(number, type, body.length * 1000)
            if (head === null && body.length === 0) flags &= ~COMPRESSED
            return encoder.encode(number, flags, head ?? undefined, body)
          })
        )
      }),
      { numRuns: 500 }
    )
  })

  it('survives bit flips, cuts and swaps in a correct conversation', async () => {
    const mutation = fc.record({
      frame: fc.nat(),
      position: fc.nat(),
      how: fc.constantFrom('flip', 'cut', 'drop', 'double', 'swap'),
      bit: fc.nat(7)
    })
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const { encoder } = new RawPeer()
        let frames = [
          encoder.encode(1, 0, rev, Buffer.from('{"one":1}')),
          encoder.encode(2, COMPRESSED | MORE_COMING, rev, Buffer.alloc(5000, 'ab')),
          encoder.encode(1, 1, '', Buffer.from('answer')),
          encoder.encode(2, COMPRESSED, undefined, Buffer.alloc(5000, 'cd')),
          encoder.encodeAck(1, 4, 32_000)
        ]
        for (const { frame, position, how, bit } of mutations) {
          const i = frame % frames.length
          const bytes = Buffer.from(frames[i]!)
          if (how === 'flip') {
            const at = position % bytes.length
            bytes[at] = bytes[at]! ^ (1 << bit)
            frames[i] = bytes
          } else if (how === 'cut') frames[i] = bytes.subarray(0, position % bytes.length)
          else if (how === 'double') frames = frames.toSpliced(i, 0, bytes)
          else if (how === 'swap') frames = [...frames.slice(i), ...frames.slice(0, i)]
          else if (frames.length > 1) frames = frames.toSpliced(i, 1)
          if (frames[i]?.length === 0) frames[i] = Buffer.from([0])
        }
        await survives(frames)
      }),
      { numRuns: 500 }
    )
  })
})

describe('requests that had to wait', () => {
  it('are let go of once they were answered, while the connection goes on', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const peer = new RawPeer({ maxConcurrentRequests: 1 })
    const handled: WeakRef<Uint8Array>[] = []
    peer.connection.handle('rev', (request) => {
      handled.push(new WeakRef(request.body))
      setImmediate(() => {
        request.respond()
      })
    })
    for (let number = 1; number <= 50; number++) peer.send(number, 0, rev, Buffer.alloc(16_384, number))
    await eventually('all answers', () => peer.frames.filter(({ type }) => type === RESPONSE).length === 50)
    await eventually('their bodies to be collected', () => {
      collect()
      return handled.filter((ref) => ref.deref() !== undefined).length <= 1
    })
    peer.connection.close(1000)
  })
})
