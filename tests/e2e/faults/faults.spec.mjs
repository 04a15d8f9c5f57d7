// A replication whose connection breaks: at every boundary of a message, at random bytes, several times. After a new connection both sides
// have the same, every write is there, no blob is half stored, and no checkpoint ever claimed what was not there.
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Database } from '@kithmesh/database'
import { createIdentity } from '@kithmesh/identity'
import { UrlEndpointListener, urlEndpoint } from '@kithmesh/replicator'
import { expect } from 'chai'
import { seeded } from '../kill/writing.mjs'
import { memoryLink } from '../support/memory-link.mjs'
import { CutLine } from './cut-line.mjs'
import { Scene } from './scene.mjs'

for (const versioning of ['rev-trees', 'version-vectors'])
  describe(`a connection that breaks, with ${versioning}`, () => {
    let scenes = []
    let checkpoints = 0
    let deltas = 0
    /** Tests that came to an end. */
    let ended = 0

    const scene = async (open) => {
      const made = await Scene.create(versioning, open)
      scenes.push(made)
      await made.common()
      await made.edits()
      return made
    }
    const done = async () => {
      for (const one of scenes) {
        checkpoints += one.checkpoints
        deltas += one.deltas
        await one.close()
      }
      scenes = []
    }
    afterEach(async () => {
      ended++
      await done()
    })

    /** Replicates with one or more cuts; what went wrong is told with them. */
    const survive = async (cuts, line, one) => {
      try {
        await one.replicate(line)
        await one.checkEnd(line)
      } catch (error) {
        throw new Error(`cut at ${cuts}: ${error.message}`, { cause: error })
      }
    }

    const reference = async () => {
      const one = await scene()
      const line = new CutLine({ database: one.b, deltas: true })
      await one.replicate(line)
      const { sent } = line
      await one.checkEnd()
      await done()
      return { ...sent }
    }

    for (const direction of ['out', 'in'])
      it(`after each message of the ${direction === 'out' ? 'active' : 'passive'} side`, async () => {
        const total = (await reference())[direction]
        expect(total).to.be.above(20)
        for (let at = 1; at <= total; at++) {
          const one = await scene()
          const line = new CutLine({ database: one.b, deltas: true })
          line.cutAt[direction] = at
          await survive(`message ${at} of ${total}`, line, one)
          expect(line.connections, `connections with a cut at message ${at}`).to.be.above(1)
          await done()
        }
      })

    it('several times in a row', async () => {
      const random = seeded(4711)
      for (let run = 0; run < 60; run++) {
        const one = await scene()
        const line = new CutLine({ database: one.b, deltas: true })
        const cuts = []
        let next = 0
        line.onMessage = (direction) => {
          if (cuts.length >= 4 || line.sent.out + line.sent.in < next) return
          if (next > 0) {
            line.cutAt[direction] = line.sent[direction]
            cuts.push(`${direction} ${line.sent[direction]}`)
          }
          next = line.sent.out + line.sent.in + 1 + Math.floor(random() * 25)
        }
        await survive(`${cuts} (run ${run})`, line, one)
        await done()
      }
    })

    it('at random bytes of a stream in memory', async () => {
      const random = seeded(815)
      for (let run = 0; run < 120; run++) {
        const one = await scene()
        const link = memoryLink('byte-stream', { database: one.b, deltas: true })
        // The beginning, where the messages are small, as often as the rest.
        link.cut.afterBytes = 1 + Math.floor(random() * (run % 2 === 0 ? 6000 : 330_000))
        await survive(`byte ${link.cut.afterBytes} (run ${run})`, link, one)
        await link.stop()
        await done()
      }
    })

    describe('over TCP, with databases on disk', () => {
      let root
      let listener
      let proxy
      const sockets = new Set()

      beforeEach(() => {
        root = mkdtempSync(join(tmpdir(), 'kithmesh-faults-'))
      })
      afterEach(async () => {
        await done()
        await listener?.stop()
        for (const socket of sockets) socket.destroy()
        await new Promise((resolve) => (proxy === undefined ? resolve() : proxy.close(resolve)))
        rmSync(root, { recursive: true, force: true })
      })

      /** Passes bytes on until so many went through, then resets both sides; later connections are left alone. */
      const startProxy = async (target, cut) => {
        proxy = createServer((near) => {
          const far = connect(target, '127.0.0.1')
          for (const socket of [near, far]) {
            sockets.add(socket)
            socket.on('error', () => {})
            socket.on('close', () => {
              sockets.delete(socket)
              near.destroy()
              far.destroy()
            })
          }
          const pass = (from, to) =>
            from.on('data', (bytes) => {
              const rest = cut.afterBytes
              cut.afterBytes -= bytes.length
              if (rest > bytes.length) {
                to.write(bytes)
                return
              }
              cut.afterBytes = Infinity
              cut.count++
              to.write(bytes.subarray(0, rest), () => {
                near.resetAndDestroy()
                far.resetAndDestroy()
              })
            })
          pass(near, far)
          pass(far, near)
        })
        await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
        return proxy.address().port
      }

      for (const tls of [false, true])
        it(`at random bytes, ${tls ? 'with' : 'without'} TLS`, async () => {
          const random = seeded(tls ? 31 : 77)
          const identity = tls ? await createIdentity({ commonName: 'faults' }) : undefined
          const cut = { afterBytes: Infinity, count: 0 }
          const RUNS = 25
          for (let run = 0; run < RUNS; run++) {
            const one = await scene((name, options) => Database.open(join(root, `${run}-${name}`), { ...options, durability: 'normal' }))
            listener = new UrlEndpointListener({
              databases: { db: one.b },
              host: '127.0.0.1',
              tls: identity ?? 'off',
              authenticator: 'insecure',
              deltas: true
            })
            await listener.start()
            const port = await startProxy(listener.port, cut)
            const endpoint = urlEndpoint(`${tls ? 'wss' : 'ws'}://127.0.0.1:${port}/db`, {
              ...(tls && { trust: { mode: 'pinned', certificate: identity.certificatePem } })
            })
            cut.afterBytes = 1 + Math.floor(random() * (run % 2 === 0 ? 9000 : 320_000))
            await survive(`byte ${cut.afterBytes} (run ${run})`, { endpoint }, one)
            for (const database of [one.a, one.b]) database.checkIntegrity()
            await done()
            await listener.stop()
            await new Promise((resolve) => proxy.close(resolve))
          }
          expect(cut.count).to.be.above(RUNS * 0.8)
        })
    })

    after(function () {
      // Chosen by --grep, some alone need not reach what all of them do together.
      if (ended < this.test.parent.total()) return
      // Checkpoints were not only saved at the end.
      expect(checkpoints).to.be.above(2000)
      expect(deltas).to.be.above(200)
    })
  })
