import fc from 'fast-check'
import { replicatorErrors as errors } from '@kithmesh/replicator'
import { KithmeshError } from '@kithmesh/core'
import { classifyFailure, defaultConflictResolver, formatCollectionPath, nextAttemptIn, parseCollectionPath } from '@kithmesh/replicator'
import { expect } from 'chai'
import { attachmentProof } from '../dist/protocol/serve-attachment.js'
import { checkReceivedBody, isCompressible } from '../dist/protocol/body.js'
import {
  completedUpTo,
  decodeCheckpoint,
  encodeCheckpoint,
  intersectRanges,
  rangesInclude,
  rangesWithout,
  reconcile
} from '../dist/protocol/checkpoint.js'
import type { Ranges } from '../dist/protocol/checkpoint.js'
import { checkpointId } from '../dist/protocol/checkpointer.js'
import { defaultWinner } from '../dist/protocol/conflict-resolver.js'
import { encodeListReply, isTrue, parseChangesReply, parseProposalsReply, parseRev } from '../dist/protocol/messages.js'
import { PullProgress, PushProgress } from '../dist/protocol/progress.js'
import type { RemoteEntry } from '../dist/protocol/progress.js'
import { sequenceBefore } from '../dist/protocol/sequences.js'
import { treeVersioning } from '../dist/protocol/versioning.js'

describe('collection paths', () => {
  it('leave out the default scope', () => {
    expect(formatCollectionPath({ scope: '_default', name: '_default' })).to.equal('_default')
    expect(formatCollectionPath({ scope: '_default', name: 'widgets' })).to.equal('widgets')
    expect(formatCollectionPath({ scope: 'inventory', name: 'items' })).to.equal('inventory.items')
  })
  it('are read back, and nothing else is', () => {
    for (const path of ['_default', 'widgets', 'inventory.items'])
      expect(formatCollectionPath(parseCollectionPath(path) as never)).to.equal(path)
    for (const path of ['', '.', 'a.', '.b', 'a.b.c', 'a b', '_x', 'a._default'])
      expect(parseCollectionPath(path), path).to.equal(undefined)
  })
})

describe('checkpoints (cbmobile.md §4)', () => {
  it('are written as the wire example', () => {
    expect(
      encodeCheckpoint(
        {
          completed: [
            [0, 1200],
            [1205, 1235]
          ],
          remote: '1500'
        },
        1765432100
      ).toString()
    ).to.equal('{"time":1765432100,"local":1199,"localCompleted":[0,1200,1205,30],"remote":1500}')
    expect(encodeCheckpoint({ completed: [] }, 7).toString()).to.equal('{"time":7}')
  })

  const ranges: fc.Arbitrary<Ranges> = fc.uniqueArray(fc.nat(60), { maxLength: 30 }).map((numbers) => {
    const done = new Set(numbers)
    const result: [number, number][] = []
    for (let i = 0; i < 62; i++) {
      if (!done.has(i)) continue
      const last = result.at(-1)
      if (last !== undefined && last[1] === i) last[1]++
      else result.push([i, i + 1])
    }
    return result
  })
  const members = (of: Ranges): number[] => [...Array(70).keys()].filter((n) => rangesInclude(of, n))

  it('survive being written and read', () => {
    fc.assert(
      fc.property(ranges, fc.option(fc.oneof(fc.nat().map(String), fc.constant('"20::35"')), { nil: undefined }), (given, remote) => {
        // The first range starts at 0 on the wire; a single later one cannot be said.
        const completed = given.length > 1 || given[0]?.[0] === 0 ? given : []
        const again = decodeCheckpoint(encodeCheckpoint(remote === undefined ? { completed } : { completed, remote }, 1))
        expect(again.remote).to.equal(remote)
        if (!(completed.length === 1 && completedUpTo(completed) === 0)) expect(again.completed).to.deep.equal(completed)
      })
    )
  })

  it('intersect as sets do', () => {
    fc.assert(
      fc.property(ranges, ranges, (x, y) => {
        expect(members(intersectRanges(x, y))).to.deep.equal(members(x).filter((n) => rangesInclude(y, n)))
      })
    )
  })

  it('cut out what is pending', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.uniqueArray(fc.integer({ min: 1, max: 40 })), ranges, (upTo, pending, beyond) => {
        const waiting = pending.filter((n) => n <= upTo).sort((x, y) => x - y)
        const expected = [...Array(70).keys()].filter((n) => (n <= upTo ? !waiting.includes(n) : rangesInclude(beyond, n)))
        const result = rangesWithout(upTo, waiting, beyond)
        expect(members(result)).to.deep.equal(expected)
        for (let i = 1; i < result.length; i++)
          expect((result[i] as [number, number])[0]).to.be.greaterThan((result[i - 1] as [number, number])[1])
      })
    )
  })

  it('take rubbish for nothing done', () => {
    for (const text of [
      '',
      '{',
      '[]',
      '7',
      'null',
      '{"local":-1}',
      '{"localCompleted":[0]}',
      '{"localCompleted":[5,1,0,2]}',
      '{"remote":{}}'
    ]) {
      expect(decodeCheckpoint(Buffer.from(text)), text).to.deep.equal({ completed: [] })
    }
  })

  it('agree on what both sides say', () => {
    const local = {
      completed: [
        [0, 10],
        [12, 20]
      ] as const,
      remote: '30'
    }
    expect(reconcile(local, { completed: [[0, 15]], remote: '25' })).to.deep.equal({
      completed: [
        [0, 10],
        [12, 15]
      ],
      remote: '25'
    })
    expect(reconcile(local, { completed: [[0, 15]], remote: '35' }).remote).to.equal('30')
    expect(reconcile(local, { completed: [] })).to.deep.equal({ completed: [] })
    expect(reconcile(local, { completed: [[0, 20]], remote: '"what"' })).to.not.have.property('remote')
  })

  it('have ids that differ whenever what they stand for differs', () => {
    const identity = {
      privateUuid: 'x',
      scope: '_default',
      name: '_default',
      remoteUid: 'r',
      push: true,
      pull: true,
      documentIds: undefined
    }
    const variants = [
      identity,
      { ...identity, privateUuid: 'y' },
      { ...identity, name: 'n' },
      { ...identity, remoteUid: 's' },
      { ...identity, push: false },
      { ...identity, pull: false },
      { ...identity, documentIds: [] },
      { ...identity, documentIds: ['a'] }
    ]
    expect(new Set(variants.map(checkpointId)).size).to.equal(variants.length)
    expect(checkpointId({ ...identity, documentIds: ['a', 'b'] })).to.equal(checkpointId({ ...identity, documentIds: ['b', 'a'] }))
    expect(checkpointId(identity)).to.match(/^cp-[A-Za-z0-9+/]{43}=$/)
  })
})

describe('sequences', () => {
  const cases: [string, string, boolean][] = [
    ['1', '2', true],
    ['2', '2', false],
    ['3', '"5:1"', true],
    ['5', '"5:1"', false],
    ['5', '"5::9"', true],
    ['6', '"5::9"', false],
    ['"5:1"', '5', true],
    ['"6:1"', '5', false],
    ['"5:1"', '"5:2"', true],
    ['"5:2"', '"5:1"', false],
    ['"5:1"', '"5::1"', true],
    ['"4::9"', '5', true],
    ['"5::9"', '5', false],
    ['"5::9"', '"5:9"', false],
    ['"5::8"', '"5::9"', true],
    ['"5:3:8"', '"5::9"', true],
    ['"5::9"', '"5::8"', false],
    // Doubles are equal from 2^53 on.
    ['9007199254740992', '9007199254740993', true],
    ['9007199254740993', '9007199254740992', false],
    ['"9223372036854775806::1"', '"9223372036854775807::1"', true]
  ]
  for (const [a, b, before] of cases)
    it(`${a} is ${before ? '' : 'not '}before ${b}`, () => {
      expect(sequenceBefore(a, b)).to.equal(before)
    })
  it('that are none cannot be compared', () => {
    for (const text of ['', 'x', '"', '"1:2:3:4"', '-1', '1.5', '"a:1"']) expect(sequenceBefore(text, '1'), text).to.equal(undefined)
  })
})

describe('progress', () => {
  it('is open again for what an earlier session pushed, once that is reopened', () => {
    const progress = new PushProgress([
      [0, 3],
      [5, 9]
    ])
    progress.scanned(6, [3, 4])
    progress.reopen(5)
    expect([progress.isCompletedEarlier(5), progress.isCompletedEarlier(8)]).to.deep.equal([false, true])
    expect([progress.isPending(5), progress.isPending(6)]).to.deep.equal([true, false])
  })
  it('of a push is what was scanned without what is pending', () => {
    const progress = new PushProgress([
      [0, 5],
      [8, 10]
    ])
    expect(progress.scannedTo).to.equal(4)
    expect(progress.isCompletedEarlier(9)).to.equal(true)
    progress.scanned(12, [6, 11])
    expect(progress.completed()).to.deep.equal([
      [0, 6],
      [7, 11],
      [12, 13]
    ])
    progress.complete(6)
    progress.complete(11)
    expect(progress.completed()).to.deep.equal([[0, 13]])
    expect(progress.isPending(13)).to.equal(true)
    expect(progress.isPending(12)).to.equal(false)
  })

  it('of a pull is the last sequence with everything before it done, in any order of completion', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 50 }), fc.infiniteStream(fc.nat()), (doneAtOnce, picks) => {
        const progress = new PullProgress(undefined)
        const open: { entry: RemoteEntry; index: number }[] = []
        const done = doneAtOnce.map((already, index) => {
          const entry = progress.announce(String(index), already)
          if (!already && entry !== undefined) open.push({ entry, index })
          return already
        })
        const check = (): void => {
          const first = done.indexOf(false)
          const reached = first < 0 ? done.length - 1 : first - 1
          expect(progress.reached).to.equal(reached < 0 ? undefined : String(reached))
        }
        check()
        while (open.length > 0) {
          const [{ entry, index }] = open.splice((picks.next().value as number) % open.length, 1) as [{ entry: RemoteEntry; index: number }]
          done[index] = true
          progress.complete(entry)
          check()
        }
        expect(progress.missing).to.equal(0)
      })
    )
  })
})

describe('revision ids and histories', () => {
  it('are recognised', () => {
    for (const id of ['1-ab', '12-0123456789abcdef', '1-66c183b8980c2066b2d6ecd701d3823bc0c1b838'])
      expect(treeVersioning.revIdOf(id), id).to.equal(id)
    for (const id of [
      '',
      '1',
      '-ab',
      '0-ab',
      '01-ab',
      '1-',
      '1-AB',
      '1-xy',
      '1 -ab',
      '1-ab ',
      '5@abc',
      `1-${'a'.repeat(300)}`,
      '9999999999999999999-ab'
    ])
      expect(treeVersioning.revIdOf(id), id).to.equal(undefined)
  })
  it('descend, by one or over what was left out', () => {
    expect(treeVersioning.parseHistory('3-cc', '2-bb,1-aa')).to.deep.equal({ history: ['2-bb', '1-aa'], merges: 0 })
    expect(treeVersioning.parseHistory('3-cc', ' 2-bb , 1-aa')).to.deep.equal({ history: ['2-bb', '1-aa'], merges: 0 })
    expect(treeVersioning.parseHistory('3-cc', undefined)).to.deep.equal({ history: [], merges: 0 })
    expect(treeVersioning.parseHistory('121-cc', '120-bb,119-aa,1-aa')).to.deep.equal({ history: ['120-bb', '119-aa', '1-aa'], merges: 0 })
    for (const history of ['3-aa', '4-aa', '2-bb,2-aa', '1-bb,2-aa', '2-bb,', 'x'])
      expect(treeVersioning.parseHistory('3-cc', history), history).to.equal(undefined)
  })
  it('end at what the peer knows, or at its limit', () => {
    const ancestors = ['4-d', '3-c', '2-b', '1-a']
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['3-c']), 50)).to.equal('4-d,3-c')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(), 50)).to.equal('4-d,3-c,2-b,1-a')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(), 2)).to.equal('4-d,3-c')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(), 1)).to.equal('4-d')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['4-d', '1-a']), 50)).to.equal('4-d')
  })
  it('end at what the peer knows although it lies beyond the limit', () => {
    const ancestors = ['5-e', '4-d', '3-c', '2-b', '1-a']
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['2-b', '1-a']), 3)).to.equal('5-e,4-d,2-b')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['1-a']), 1)).to.equal('1-a')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['3-c']), 3)).to.equal('5-e,4-d,3-c')
  })
  it('have a gap only before what the peer knows', () => {
    const ancestors = ['90-f', '89-e', '57-c', '12-b', '1-a']
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['12-b']), 50)).to.equal('90-f,89-e,12-b')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['57-c', '12-b']), 50)).to.equal('90-f,89-e,57-c')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(['89-e']), 50)).to.equal('90-f,89-e')
    expect(treeVersioning.formatHistory({ revId: '99-a', history: ancestors }, new Set(), 50)).to.equal('90-f,89-e')
    expect(treeVersioning.formatHistory({ revId: '91-a', history: ['90-f', '1-a'] }, new Set(['1-a']), 50)).to.equal('90-f,1-a')
  })
})

describe('messages', () => {
  it('read booleans as peers write them', () => {
    for (const text of ['1', 'true', 'TRUE', 'Yes', '7', '-1']) expect(isTrue(text), text).to.equal(true)
    for (const text of [undefined, '', '0', 'false', 'no', 'x']) expect(isTrue(text), text).to.equal(false)
  })
  it('leave out trailing zeros of answers', () => {
    expect(encodeListReply([0, 0]).toString()).to.equal('[]')
    expect(encodeListReply([0, [], 0]).toString()).to.equal('[0,[]]')
    expect(parseProposalsReply(Buffer.from('[304,{"status":409,"rev":"2-b"}]'), 3)).to.deep.equal([
      { status: 304, rev: undefined },
      { status: 409, rev: '2-b' },
      { status: 0, rev: undefined }
    ])
    expect(parseChangesReply(Buffer.from('[[],0,null,["1-a",7]]'), 5)).to.deep.equal([[], 0, 0, ['1-a']])
    expect(parseChangesReply(Buffer.alloc(0), 5)).to.deep.equal([])
  })
  it('refuse answers that are longer than the question', () => {
    expect(() => parseProposalsReply(Buffer.from('[0,0]'), 1)).to.throw('2 entries')
    expect(() => parseProposalsReply(Buffer.from('{}'), 1)).to.throw('no array')
  })
  it('read a revision', () => {
    expect(
      parseRev({ id: 'x', rev: '2-bb', deleted: '1', history: '1-aa', sequence: '7', noconflicts: '1' }, treeVersioning)
    ).to.deep.equal({
      id: 'x',
      revId: '2-bb',
      deleted: true,
      history: ['1-aa'],
      merges: 0,
      sequence: '7',
      noConflicts: true,
      deletedBranch: undefined,
      deltaSource: undefined
    })
    expect(parseRev({ id: 'x', rev: '2-bb', deltaSrc: '1-aa' }, treeVersioning).deltaSource).to.equal('1-aa')
    expect(parseRev({ id: 'x', rev: '2-bb', deltaSrc: '' }, treeVersioning).deltaSource).to.equal(undefined)
    expect(() => parseRev({ id: 'x', rev: '2-bb', deltaSrc: 'nonsense' }, treeVersioning)).to.throw('deltaSrc')
    for (const deleted of ['0', 'false']) expect(parseRev({ id: 'x', rev: '2-bb', deleted }, treeVersioning).deleted).to.equal(false)
  })
})

describe('document bodies', () => {
  it('keep their bytes', () => {
    const bytes = Buffer.from('{ "big": 12345678901234567890, "f": 1.50 }')
    expect(checkReceivedBody(bytes, 1000).body).to.equal(bytes)
  })
  it('name their blobs, wherever they are', () => {
    const digest = 'sha1-ArH2IhJgRp/90GRqSAdAfa750BE='
    const body = { a: [{ b: { '@type': 'blob', digest, length: 12, content_type: 'text/plain' } }], again: { '@type': 'blob', digest } }
    expect(checkReceivedBody(Buffer.from(JSON.stringify(body)), 1000).blobs).to.deep.equal([
      { digest, length: 12, contentType: 'text/plain' }
    ])
  })
  it('tell what is worth compressing', () => {
    for (const type of ['text/plain', 'application/json', 'image/svg+xml', 'application/ld+json'])
      expect(isCompressible(type), type).to.equal(true)
    for (const type of [undefined, 'image/png', 'video/mp4', 'application/zip']) expect(isCompressible(type), String(type)).to.equal(false)
  })
})

describe('attachment proofs', () => {
  it('equal the known vector', async () => {
    expect(
      await attachmentProof(
        Uint8Array.from({ length: 20 }, (_, i) => i),
        [Buffer.from('Hello, '), Buffer.from('blob!')]
      )
    ).to.equal('sha1-9Z8YoI6cEYJ3rZlV3gTCG+NAG90=')
  })
})

describe('the default conflict resolver', () => {
  const revision = fc.record({
    revId: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.stringMatching(/^[0-9a-f]{4}$/)).map(([g, h]) => `${g}-${h}`),
    deleted: fc.boolean()
  })
  it('decides alike on both sides', () => {
    fc.assert(
      fc.property(revision, revision, (x, y) => {
        fc.pre(x.revId !== y.revId)
        const other = { local: 'remote', remote: 'local' } as const
        expect(defaultWinner(x, y)).to.equal(other[defaultWinner(y, x)])
      })
    )
  })
  it('prefers tombstones, then generations, then ids', () => {
    const take = (a: string, b: string, aDeleted = false, bDeleted = false): unknown =>
      (
        defaultConflictResolver({
          id: 'x',
          collection: { scope: '_default', name: '_default' },
          local: { revId: a, deleted: aDeleted, body: {} },
          remote: { revId: b, deleted: bDeleted, body: {} }
        }) as { take: string }
      ).take
    expect(take('1-aa', '9-bb', true)).to.equal('local')
    expect(take('10-aa', '9-bb')).to.equal('local')
    expect(take('2-aa', '2-bb')).to.equal('remote')
  })
})

describe('the retry policy (cbmobile.md §12)', () => {
  const node = (code: string): Error => Object.assign(new Error(code), { code })
  const http = (status: number): Error => new KithmeshError('ERR_WS_HTTP', 'x', { details: { status } })
  const closed = (code: number): Error => errors.create('ERR_REPL_CLOSED', 'x', { details: { code } })
  const cases: [string, unknown, string][] = [
    ['a refused connection', node('ECONNREFUSED'), 'transient'],
    [
      'a refused connection, as one of several addresses',
      errors.create('ERR_REPL_CONNECT', 'x', {
        cause: new KithmeshError('ERR_DIRECT_DIAL', 'x', { cause: new AggregateError([node('EHOSTUNREACH'), node('ECONNREFUSED')]) })
      }),
      'transient'
    ],
    ['an unknown host', errors.create('ERR_REPL_CONNECT', 'x', { cause: node('ENOTFOUND') }), 'network'],
    ['no route', node('ENETUNREACH'), 'network'],
    ['a peer that is away', errors.create('ERR_REPL_CONNECT', 'x', { cause: errors.create('ERR_REPL_AWAY', 'x') }), 'network'],
    ['a peer whose address cannot be found out', new KithmeshError('ERR_PD_RESOLVE_FAILED', 'x'), 'network'],
    ['a peer that went offline', new KithmeshError('ERR_PD_PEER_OFFLINE', 'x'), 'network'],
    ['two who ask a peer for its address at once', new KithmeshError('ERR_PD_RESOLVE_BUSY', 'x'), 'transient'],
    ['HTTP 503', http(503), 'transient'],
    ['HTTP 429', http(429), 'transient'],
    ['HTTP 401', http(401), 'permanent'],
    ['HTTP 404', http(404), 'permanent'],
    ['an abnormal close', closed(1006), 'transient'],
    ['4001', closed(4001), 'transient'],
    ['4002', closed(4002), 'permanent'],
    ['1001', closed(1001), 'network'],
    ['1008', closed(1008), 'permanent'],
    ['a timeout', errors.create('ERR_REPL_TIMEOUT', 'x'), 'transient'],
    [
      'an untrusted certificate',
      errors.create('ERR_REPL_CONNECT', 'x', { cause: new KithmeshError('ERR_IDENTITY_UNTRUSTED', 'x') }),
      'permanent'
    ],
    ['a missing collection', errors.create('ERR_REPL_COLLECTION_MISSING', 'x'), 'permanent'],
    ['anything else', new Error('x'), 'permanent'],
    ['no error', 'text', 'permanent']
  ]
  for (const [what, error, kind] of cases)
    it(`${what} is ${kind}`, () => {
      expect(classifyFailure(error)).to.equal(kind)
    })

  it('backs off 2, 4, 8 … seconds up to its limit', () => {
    const limits = { continuous: true, maxAttempts: Infinity, maxAttemptWaitMs: 300_000 }
    expect([1, 2, 3, 8, 9, 100, 5000].map((n) => nextAttemptIn(n, 'transient', limits))).to.deep.equal([
      2000, 4000, 8000, 256_000, 300_000, 300_000, 300_000
    ])
  })
  it('gives up after its attempts, and at once when it is no use', () => {
    const limits = { continuous: false, maxAttempts: 3, maxAttemptWaitMs: 300_000 }
    expect(nextAttemptIn(2, 'transient', limits)).to.equal(4000)
    expect(nextAttemptIn(3, 'transient', limits)).to.equal(undefined)
    expect(nextAttemptIn(1, 'network', limits)).to.equal(undefined)
    expect(nextAttemptIn(1, 'network', { ...limits, continuous: true })).to.equal(2000)
    expect(nextAttemptIn(1, 'permanent', { ...limits, continuous: true })).to.equal(undefined)
  })
})
