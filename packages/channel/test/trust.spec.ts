import { expect } from 'chai'
import type { TrustProtocol } from '@kithmesh/core'
import type { ChannelObserver, PeerChannel } from '@kithmesh/channel'
import { eventually, manualClock, rejection } from '@kithmesh/testkit'
import { type End, Pair, bindingOf, channelOf } from './support/pair.ts'

const codeOf = async (promise: Promise<unknown>): Promise<string | undefined> => ((await rejection(promise)) as { code?: string }).code

/** Both say a word; whoever hears the right one trusts. */
function wordProtocol(word: string, name = 'word/1', settings: Partial<TrustProtocol> = {}): TrustProtocol {
  return {
    name,
    run: async ({ send, receive, binding }) => {
      send(Buffer.concat([Buffer.from(word), binding]))
      const heard = Buffer.from(await receive())
      const right = heard.equals(Buffer.concat([Buffer.from(word), binding]))
      return right ? { trusted: true } : { trusted: false, reason: 'the wrong word' }
    },
    ...settings
  }
}

const prove = (...protocols: TrustProtocol[]) => ({ standing: 'prove' as const, protocols })

describe('trust between two channels', () => {
  let pair: Pair

  afterEach(() => {
    pair.wire.cut()
  })

  const both = async (ends: [End, End]): Promise<unknown[]> =>
    Promise.all(
      ends.map(({ attachment }) =>
        attachment.trusted.then(
          () => 'trusted',
          (error: { code: string }) => error.code
        )
      )
    )

  it('comes of a protocol that both run', async () => {
    pair = new Pair()
    const ends = pair.join(prove(wordProtocol('x')), prove(wordProtocol('x')))
    expect(await both(ends)).to.deep.equal(['trusted', 'trusted'])
    expect(ends.map(({ channel }) => channel.level)).to.deep.equal(['trusted', 'trusted'])
  })

  it('comes of the first protocol in the order of the initiator that both know', async () => {
    const ran: string[] = []
    const noted = (name: string): TrustProtocol =>
      wordProtocol('x', name, {
        run: async () => {
          ran.push(name)
          return { trusted: true }
        }
      })
    pair = new Pair()
    const ends = pair.join(prove(noted('one/1'), noted('two/1'), noted('three/1')), prove(noted('three/1'), noted('two/1')))
    expect(await both(ends)).to.deep.equal(['trusted', 'trusted'])
    expect(ran).to.deep.equal(['two/1', 'two/1'])
  })

  it('does not come of different secrets', async () => {
    pair = new Pair()
    const ends = pair.join(prove(wordProtocol('x')), prove(wordProtocol('y')))
    const codes = await both(ends)
    for (const code of codes) expect(code).to.be.oneOf(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_NOT_TRUSTED'])
    expect(ends.map(({ channel }) => channel.level)).to.deep.equal(['restricted', 'restricted'])
    expect(ends.map(({ channel }) => channel.mutual)).to.deep.equal([false, false])
  })

  it('does not come without a protocol in common, at once', async () => {
    pair = new Pair()
    const ends = pair.join(prove(wordProtocol('x', 'one/1')), prove(wordProtocol('x', 'two/1')))
    expect(await both(ends)).to.deep.equal(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_UNTRUSTED'])
  })

  it('is proven by a side that needs no proof itself', async () => {
    pair = new Pair()
    const ends = pair.join(prove(wordProtocol('x')), { protocols: [wordProtocol('x')] })
    expect(await both(ends)).to.deep.equal(['trusted', 'trusted'])
  })

  it('is not lost to a protocol that ran for the sake of the other side', async () => {
    pair = new Pair()
    const ends = pair.join(prove(wordProtocol('x')), { protocols: [wordProtocol('y')] })
    expect(await both(ends)).to.deep.equal(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_NOT_TRUSTED'])
    expect(ends[1].channel.level).to.equal('trusted')
  })

  it('is not asked for again on the next connection, as long as both remember', async () => {
    let runs = 0
    const counted = (): TrustProtocol =>
      wordProtocol('x', 'word/1', {
        run: async () => {
          runs++
          return { trusted: true }
        }
      })
    pair = new Pair()
    await both(pair.join(prove(counted()), prove(counted())))
    pair.wire.cut()
    expect(await both(pair.join(prove(counted()), prove(counted())))).to.deep.equal(['trusted', 'trusted'])
    expect(runs).to.equal(2)
    pair.wire.cut()
    pair.b = channelOf('b')
    expect(await both(pair.join(prove(counted()), prove(counted())))).to.deep.equal(['trusted', 'trusted'])
    expect(runs).to.equal(4)
  })

  it('tells the verdict and what to remember', async () => {
    const verdicts: unknown[] = []
    pair = new Pair({ trust: { onVerdict: (verdict, how) => verdicts.push([verdict, how]) } })
    const remembered = wordProtocol('x', 'word/1', { run: async () => ({ trusted: true, remember: true }) })
    await both(pair.join(prove(remembered), prove(remembered)))
    expect(verdicts).to.deep.equal([[{ trusted: true, remember: true }, 'word/1']])
  })

  it('has a time limit', async () => {
    const clock = manualClock()
    pair = new Pair({ clock }, { clock })
    const silent = wordProtocol('x', 'word/1', {
      timeLimitMs: 5_000,
      run: async ({ receive }) => {
        await receive()
        return { trusted: true }
      }
    })
    const ends = pair.join(prove(silent), prove(silent))
    await Promise.all(ends.map(({ attachment }) => attachment.hello))
    const codes = both(ends)
    await clock.advance(5_000)
    for (const code of await codes) expect(code).to.be.oneOf(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_NOT_TRUSTED'])
    pair.wire.cut()
    expect(clock.pending).to.equal(0)
  })

  for (const [title, limits, ms] of [
    ['ten seconds', {}, 10_000],
    ['it is told', { wordWithinMs: 700 }, 700]
  ] as const)
    it(`does not wait longer than ${title} for the word of the peer`, async () => {
      const clock = manualClock()
      pair = new Pair()
      const [blip, silent] = pair.wire.open()
      silent.handle('kithmesh.hello', (request) => {
        request.respond()
        silent.request({ profile: 'kithmesh.hello', body: request.body })
      })
      const channel = channelOf('a', { clock, limits })
      const attachment = channel.attach({ blip, role: 'initiator', binding: bindingOf('x'), standing: 'trusted' })
      await attachment.hello
      const code = codeOf(attachment.trusted)
      await clock.advance(ms - 1)
      expect(attachment.ended).to.equal(false)
      await clock.advance(1)
      expect(await code).to.equal('ERR_CHANNEL_TIMEOUT')
    })

  it('ends a run that the peer does not wait for any more', async () => {
    let aborted: unknown
    const patient = wordProtocol('x', 'word/1', {
      run: async ({ receive, signal }) => {
        try {
          await receive()
        } catch (error) {
          aborted = signal.reason
          throw error
        }
        return { trusted: true }
      }
    })
    const hasty = wordProtocol('x', 'word/1', { run: async () => ({ trusted: false, reason: 'no' }) })
    pair = new Pair()
    expect(await both(pair.join(prove(patient), prove(hasty)))).to.deep.equal(['ERR_CHANNEL_NOT_TRUSTED', 'ERR_CHANNEL_UNTRUSTED'])
    expect((aborted as { code: string }).code).to.equal('ERR_CHANNEL_NOT_TRUSTED')
  })

  it('survives a protocol that throws, and says why', async () => {
    const broken = wordProtocol('x', 'word/1', {
      run: () => {
        throw new Error('no such key')
      }
    })
    pair = new Pair()
    const [a, b] = pair.join(prove(broken), prove(wordProtocol('x')))
    const error = (await rejection(a.attachment.trusted)) as Error & { code: string }
    expect(error.code).to.equal('ERR_CHANNEL_UNTRUSTED')
    expect((error.cause as Error).message).to.equal('no such key')
    await rejection(b.attachment.trusted)
  })

  it('ends the connection of a peer that floods the protocol', async () => {
    const flood = wordProtocol('x', 'word/1', {
      run: async ({ send }) => {
        for (let i = 0; i < 40; i++) send(Buffer.from('x'))
        return { trusted: true }
      }
    })
    const slow = wordProtocol('x', 'word/1', {
      run: async ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => {
            reject(signal.reason as Error)
          })
        })
    })
    pair = new Pair()
    const [a] = pair.join(prove(slow), prove(flood))
    expect(await codeOf(a.attachment.trusted)).to.equal('ERR_CHANNEL_PROTOCOL')
    await eventually('the connection to end', () => a.attachment.ended)
  })

  it('waits for the program when no protocol may run', async () => {
    pair = new Pair({ policy: { runDefaultTrustProtocol: false } })
    const [a, b] = pair.join(prove(wordProtocol('x')))
    await a.attachment.hello
    expect(a.channel.level).to.equal('restricted')
    a.channel.elevate()
    await Promise.all([a.attachment.trusted, b.attachment.trusted])
    expect(b.attachment.word).to.deep.include({ level: 'trusted', settled: true })
  })

  describe('at run time', () => {
    const watch = (channel: PeerChannel): string[] => {
      const seen: string[] = []
      const observer: ChannelObserver = { trustChanged: ({ level, mutual }) => seen.push(`${level}${mutual ? ' mutual' : ''}`) }
      channel.observe(observer)
      return seen
    }

    it('is taken back, told, and given again', async () => {
      pair = new Pair()
      const [a, b] = pair.join()
      await Promise.all([a.attachment.trusted, b.attachment.trusted])
      const [seenByA, seenByB] = [watch(a.channel), watch(b.channel)]
      a.channel.demote('talks too much')
      await eventually('the word to arrive', () => b.attachment.word?.reason === 'talks too much')
      expect([a.channel.mutual, b.channel.mutual, a.channel.level, b.channel.level]).to.deep.equal([false, false, 'restricted', 'trusted'])
      expect(b.attachment.word).to.deep.include({ level: 'restricted', settled: true, allows: ['message', 'disconnect'] })
      a.channel.elevate()
      await eventually('trust to be mutual', () => b.channel.mutual)
      expect(seenByA).to.include.members(['restricted', 'trusted mutual'])
      expect(seenByB).to.deep.equal(['trusted', 'trusted mutual'])
    })

    it('stays away over connections until it is given again', async () => {
      pair = new Pair()
      const first = pair.join()
      await both(first)
      pair.a.demote('no more')
      pair.wire.cut()
      expect(await both(pair.join())).to.deep.equal(['ERR_CHANNEL_UNTRUSTED', 'ERR_CHANNEL_NOT_TRUSTED'])
      pair.a.elevate()
      pair.wire.cut()
      expect(await both(pair.join())).to.deep.equal(['trusted', 'trusted'])
    })

    it('ends the connection of a blocked peer and takes no other', async () => {
      pair = new Pair()
      const [a, b] = pair.join()
      await both([a, b])
      a.channel.demote('a thief', 'blocked')
      await eventually('the connection to end', () => b.attachment.ended)
      expect(b.attachment.word).to.deep.include({ level: 'blocked', reason: 'a thief', allows: [] })
      expect(() => pair.join())
        .to.throw()
        .with.property('code', 'ERR_CHANNEL_CLOSED')
    })
  })
})
