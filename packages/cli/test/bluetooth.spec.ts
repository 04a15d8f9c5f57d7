import { join } from 'node:path'
import { expect } from 'chai'
import { parseAdapter, parseAir } from '../dist/bluetooth.js'
import { run, temporaryDirectories } from './support/command.ts'

const temporary = temporaryDirectories()

describe('the options for Bluetooth', () => {
  afterEach(() => {
    temporary.clean()
  })

  const commands = (): string[][] => [
    ['sync', join(temporary.make(), 'db'), '--group', 'test', '--insecure'],
    ['peers', '--group', 'test', '--seconds', '1']
  ]
  const refused = async (...options: string[]): Promise<string> => {
    const texts: string[] = []
    for (const command of commands()) {
      const { code, err } = await run([...command, ...options])
      expect(code, err).to.equal(2)
      texts.push(err)
    }
    return texts.join('\n')
  }

  it('are in the help, with examples', async () => {
    for (const [name] of commands()) {
      const { out } = await run([name as string, '--help'])
      for (const option of ['--ble ', '--ble-adapter ', '--ble-library ', '--ble-air ', 'docs/bluetooth.md']) expect(out).to.include(option)
      expect(out).to.match(/kithmesh \w+ .*--ble-adapter hci0/)
    }
  })

  it('that contradict each other, or miss another one, are misuse', async () => {
    expect(await refused('--ble-adapter', 'hci0', '--ble-air', '127.0.0.1:7300')).to.include('Only one of --ble-adapter and --ble-air')
    expect(await refused('--ble-library', 'stoprocent')).to.include('--ble-library needs --ble')
    expect(await refused('--ble', '--ble-library', 'noble')).to.include('Allowed choices are abandonware, stoprocent')
    expect(await refused('--no-lan')).to.include('--ble')
  })

  it('name an adapter of this machine, a place on the network, or a socket', () => {
    expect(parseAdapter('hci0')).to.deep.equal({ kind: 'local', number: 0 })
    expect(parseAdapter('hci12')).to.deep.equal({ kind: 'local', number: 12 })
    expect(parseAdapter('127.0.0.1:7300')).to.deep.equal({ kind: 'tcp', host: '127.0.0.1', port: 7300 })
    expect(parseAdapter('[::1]:7300')).to.deep.equal({ kind: 'tcp', host: '::1', port: 7300 })
    expect(parseAdapter('./bt-server')).to.deep.equal({ kind: 'unix', path: './bt-server' })
    expect(parseAdapter('/tmp/bt-server-le')).to.deep.equal({ kind: 'unix', path: '/tmp/bt-server-le' })
    expect(parseAir('localhost:7300')).to.deep.equal({ host: 'localhost', port: 7300 })
  })

  for (const wrong of [
    '',
    'hci',
    'hci0x',
    'hci99999',
    'eth0',
    '127.0.0.1',
    '127.0.0.1:0',
    '127.0.0.1:65536',
    '::1:7300',
    '[x]:7300',
    ':7300'
  ])
    it(`do not take ${JSON.stringify(wrong)} for one`, () => {
      for (const parse of [parseAdapter, parseAir])
        expect(() => parse(wrong))
          .to.throw()
          .with.property('code', 'ERR_CLI_USAGE')
    })
})
