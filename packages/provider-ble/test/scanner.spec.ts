import { manualClock, recordingLogger } from '@kithmesh/testkit'
import { expect } from 'chai'
import { EventEmitter } from 'node:events'
import { Scanner, type ScannerOptions } from '../dist/central/scanner.js'

describe('the scanner', () => {
  const scanner = (startScanning: (noble: EventEmitter, done: (error?: Error) => void) => void) => {
    const reports: unknown[] = []
    const noble = Object.assign(new EventEmitter(), {
      state: 'poweredOn',
      startScanning: (_services: string[], _duplicates: boolean, done: (error?: Error) => void) => {
        startScanning(noble, done)
      },
      stopScanning: (done: () => void) => {
        done()
      }
    })
    const options = { noble, clock: manualClock(), logger: recordingLogger(), onReport: (peripheral: unknown) => reports.push(peripheral) }
    return { noble, reports, scanner: new Scanner(options as unknown as ScannerOptions) }
  }

  it('passes on what is reported together with the answer to the command that starts it', async () => {
    const {
      reports,
      noble,
      scanner: one
    } = scanner((emitter, done) => {
      setImmediate(() => {
        done()
        emitter.emit('discover', 'first')
      })
    })
    const unwant = await one.want()
    expect(reports).to.deep.equal(['first'])
    await unwant()
    noble.emit('discover', 'late')
    expect(reports).to.deep.equal(['first'])
    one.end()
  })

  it('passes nothing on after a start that failed', async () => {
    const {
      noble,
      reports,
      scanner: one
    } = scanner((_emitter, done) => {
      setImmediate(done, new Error('not now'))
    })
    const error = await one.want().then(
      () => undefined,
      (reason: { code?: string }) => reason.code
    )
    noble.emit('discover', 'anything')
    expect({ error, reports }).to.deep.equal({ error: 'ERR_BLE_ADAPTER_FAILED', reports: [] })
    one.end()
  })
})
