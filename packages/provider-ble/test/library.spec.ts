import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect } from 'chai'
import { errorCode, silentLogger } from '@kithmesh/core'
import { eventually } from '@kithmesh/testkit'
import type { BleLibrary } from '../dist/library/libraries.js'
import { libraryError, stateError } from '../dist/library/library-errors.js'
import { loadBleno, loadPlatformBleno } from '../dist/library/load-bleno.js'
import { type CompiledModules, loadIsolated } from '../dist/library/load-isolated.js'
import { loadNoble, loadPlatformNoble } from '../dist/library/load-noble.js'
import { answeringStack } from './support/answering-stack.ts'

const libraries: readonly BleLibrary[] = ['abandonware', 'stoprocent']
const logger = silentLogger

describe('libraries that are loaded privately', () => {
  const releases: Array<() => void> = []
  afterEach(() => {
    for (const release of releases.splice(0)) release()
  })

  for (const library of libraries) {
    describe(library, () => {
      it('comes up above a stack, twice in a process, without listening to the process', async () => {
        const before = { interrupt: process.listenerCount('SIGINT'), exit: process.listenerCount('exit') }
        const stacks = [answeringStack(), answeringStack(), answeringStack(), answeringStack()] as const
        const nobles = [loadNoble(library, stacks[0], { logger }), loadNoble(library, stacks[1], { logger })]
        const blenos = [loadBleno(library, stacks[2], { logger }), loadBleno(library, stacks[3], { logger })]
        for (const loaded of [...nobles, ...blenos]) {
          releases.push(() => {
            loaded.release()
          })
          loaded.start()
        }
        await eventually('all to be on', () =>
          [...nobles.map(({ noble }) => noble), ...blenos.map(({ bleno }) => bleno)].every(({ state }) => state === 'poweredOn')
        )
        expect({ interrupt: process.listenerCount('SIGINT'), exit: process.listenerCount('exit') }).to.deep.equal(before)
        for (const { commands } of stacks) expect(commands).to.include(0x1009)
      })

      it('releases its stack, once it is released or when it could not be loaded', () => {
        const stack = answeringStack()
        const loaded = loadBleno(library, stack, { logger })
        loaded.release()
        loaded.release()
        expect(stack.released).to.equal(true)
        expect(() => {
          loaded.start()
        }).to.throw(TypeError)
      })

      it('leaves the module cache and the loader as they were', () => {
        const require = createRequire(import.meta.url)
        const own = (): string[] =>
          Object.keys(require.cache).filter((file) => file.includes(`@${library}`) && /noble|bleno/.test(file) && !file.endsWith('.node'))
        const before = own()
        loadNoble(library, answeringStack(), { logger }).release()
        loadBleno(library, answeringStack(), { logger }).release()
        expect(own()).to.deep.equal(before)
      })

      it('makes services whose handlers are told the same whatever the family', () => {
        const loaded = loadBleno(library, answeringStack(), { logger })
        releases.push(() => {
          loaded.release()
        })
        const seen: unknown[] = []
        const service = loaded.service('6b2faab9-a7d1-57da-b22e-03bbcab4689a', [
          {
            uuid: 'abdd3056-28fa-441d-a470-55a75a52553a',
            properties: ['read', 'notify'],
            onRead: (connection, offset, reply) => {
              seen.push(connection, offset)
              reply(0, Buffer.of(1))
            },
            onSubscribe: (connection, maxValueSize) => {
              seen.push(connection, maxValueSize)
            }
          }
        ]) as { characteristics: Array<{ emit(event: string, ...parameters: unknown[]): void }>; uuid: string }
        const first = loaded.manyCentrals ? [64] : []
        service.characteristics[0]?.emit('readRequest', ...first, 22, () => undefined)
        service.characteristics[0]?.emit('subscribe', ...first, 20, () => undefined)
        expect(seen).to.deep.equal([first[0], 22, first[0], 20])
        expect(service.uuid).to.equal('6b2faab9a7d157dab22e03bbcab4689a')
      })

      it('lets a process end by itself, without delay, once released', async () => {
        const script = fileURLToPath(new URL('./support/load-and-release.js', import.meta.url))
        const { stdout } = await promisify(execFile)(process.execPath, [script, library], { timeout: 50_000 })
        expect(JSON.parse(stdout)).to.deep.equal({ interrupt: 0, exit: 0, timers: 0 })
      })
    })
  }

  for (const library of libraries) {
    it(`leaves nothing behind after everything was used and stopped: ${library}`, async () => {
      const script = fileURLToPath(new URL('./support/use-and-stop.js', import.meta.url))
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, library], { timeout: 50_000 })
      const { before, after, timers } = JSON.parse(stdout) as { before: number[]; after: number[]; timers: number }
      expect(after).to.deep.equal(before)
      expect(timers).to.equal(0)
      expect(stderr).to.equal('')
    })
  }

  it('says what keeps a platform without Bluetooth from it', async () => {
    // What this machine lacks is not known here: whatever happens is one of the errors that are told, or it works.
    const codes = [
      'ERR_BLE_NOT_INSTALLED',
      'ERR_BLE_UNSUPPORTED',
      'ERR_BLE_NO_ADAPTER',
      'ERR_BLE_NOT_PERMITTED',
      'ERR_BLE_POWERED_OFF',
      'ERR_BLE_ADAPTER_BUSY',
      'ERR_BLE_ADAPTER_FAILED'
    ]
    for (const library of libraries) {
      for (const load of [loadPlatformNoble, loadPlatformBleno]) {
        try {
          const loaded = load(library, { logger })
          releases.push(() => {
            loaded.release()
          })
          loaded.start()
        } catch (error) {
          expect(codes).to.include(errorCode(error))
          expect((error as Error).cause).to.be.an('error')
        }
      }
    }
    await new Promise((resolve) => setImmediate(resolve))
  })

  it('compiles once what it loads again and again, and shares nothing else', () => {
    const compiled: CompiledModules = new Map()
    const handlers = createRequire(import.meta.url).extensions
    const before = handlers['.js']
    const entries = ['lib/uuid-util.js', 'lib/hci-socket/gatt.js']
    const load = (): unknown[] => loadIsolated('@abandonware/bleno', entries, {}, compiled)
    const [one, other] = [load(), load()]
    expect([...compiled.keys()].map((file) => file.split('bleno/')[1])).to.include.members(entries)
    const functions = [...compiled.values()]
    expect(one[1]).to.be.a('function')
    expect(other[1]).to.be.a('function').and.not.equal(one[1])
    expect(other[0]).not.to.equal(one[0])
    load()
    expect([...compiled.values()]).to.deep.equal(functions)
    expect(handlers['.js']).to.equal(before)
  })

  it('says what is missing when a package is not installed', () => {
    expect(() => loadIsolated('@nowhere/noble', ['index.js'], {})).to.throw(/Cannot find module/)
    const error = libraryError(
      'noble cannot be loaded',
      attempt(() => loadIsolated('@nowhere/noble', ['index.js'], {}))
    )
    expect(errorCode(error)).to.equal('ERR_BLE_NOT_INSTALLED')
    expect(error.cause).to.be.an('error')
    expect(error.message).not.to.include('\n')
  })

  it('takes the errors of native parts for what they mean', () => {
    const code = (error: Error): string | undefined => errorCode(libraryError('x', error))
    expect(code(Object.assign(new Error('socket'), { code: 'EAFNOSUPPORT' }))).to.equal('ERR_BLE_UNSUPPORTED')
    expect(code(new Error('No native build was found for platform=linux'))).to.equal('ERR_BLE_NOT_INSTALLED')
    expect(code(new Error('ENODEV, No such device'))).to.equal('ERR_BLE_NO_ADAPTER')
    expect(code(new Error('Operation not permitted'))).to.equal('ERR_BLE_NOT_PERMITTED')
    expect(code(Object.assign(new Error('bind'), { code: 'EBUSY' }))).to.equal('ERR_BLE_ADAPTER_BUSY')
    expect(code(new Error('something else'))).to.equal('ERR_BLE_ADAPTER_FAILED')
    expect(
      ['poweredOff', 'unauthorized', 'unsupported', 'poweredOn', 'unknown'].map((state) => errorCode(stateError('x', state)))
    ).to.deep.equal(['ERR_BLE_POWERED_OFF', 'ERR_BLE_NOT_PERMITTED', 'ERR_BLE_UNSUPPORTED', undefined, undefined])
  })
})

function attempt(run: () => unknown): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}
