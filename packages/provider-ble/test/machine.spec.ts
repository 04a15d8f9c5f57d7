import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { bluetoothOfMachine } from '@kithmesh/provider-ble'
import { expect } from 'chai'

describe('what a machine has for Bluetooth', () => {
  let root: string

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kithmesh-machine-'))
  })
  afterEach(() => {
    rmSync(root, { recursive: true, force: true })
  })

  const file = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  const look = (): ReturnType<typeof bluetoothOfMachine> => bluetoothOfMachine(root, 'linux')

  it('lists the adapters of a Linux machine, and those that are switched off', () => {
    file('sys/class/bluetooth/hci1/address', 'x')
    file('sys/class/bluetooth/hci0/address', 'x')
    file('sys/class/bluetooth/hci0:12/type', 'a connection')
    file('sys/class/bluetooth/hci0/rfkill0/soft', '1\n')
    file('sys/class/bluetooth/hci0/rfkill0/hard', '0\n')
    file('sys/class/bluetooth/hci1/rfkill1/soft', '0\n')
    file('sys/class/bluetooth/hci1/rfkill1/hard', '0\n')
    expect(look()).to.deep.include({ adapters: ['hci0', 'hci1'], blocked: ['hci0'] })
    file('sys/class/bluetooth/hci1/rfkill1/hard', '1\n')
    expect(look().blocked).to.deep.equal(['hci0', 'hci1'])
  })

  it('has none where the kernel has no Bluetooth', () => {
    expect(look()).to.deep.include({ adapters: [], blocked: [], mayUse: { own: false, shared: false } })
  })

  it('knows what the process may do', () => {
    file('proc/self/status', 'Name:\tnode\nCapPrm:\tffff\nCapEff:\t0000000000001000\n')
    expect(look().mayUse).to.deep.equal({ own: true, shared: false })
    file('proc/self/status', 'CapEff:\t0000000000002000\n')
    expect(look().mayUse).to.deep.equal({ own: false, shared: true })
    file('proc/self/status', 'CapEff:\t000001ffffffffff\n')
    expect(look().mayUse).to.deep.equal({ own: true, shared: true })
  })

  it('names the libraries that are installed, and leaves the rest to the system elsewhere', () => {
    expect(look().libraries).to.deep.equal(['abandonware', 'stoprocent'])
    expect(bluetoothOfMachine(root, 'darwin')).to.deep.include({ platform: 'darwin', adapters: undefined, mayUse: undefined })
  })
})
