import type { Command } from 'commander'
import { systemClock } from '@kithmesh/core'
import type { AirServer, VirtualController } from '@kithmesh/testkit/ble'
import { cliErrors } from '../errors.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { parsePort, repeat } from '../options.ts'
import { untilInterrupted } from '../until-interrupted.ts'

interface AirCommandOptions {
  readonly port: number
  readonly host: string
  readonly address?: readonly string[]
  readonly range?: number
  readonly loss: number
  readonly rate?: number
  readonly json?: true
}

/** Metres between the devices of an air, which stand in a row. */
const SPACING = 5

export function airCommand(parent: Command, io: Io): void {
  parent
    .command('air')
    .description('share a virtual Bluetooth LE air, over which processes without an adapter find each other and sync')
    .option('--port <port>', 'TCP port; 0 picks one', parsePort, 0)
    .option('--host <address>', 'listen on this address', '127.0.0.1')
    .option(
      '--address <digits>',
      'also offer a controller of this address (twelve hex digits) on a port of its own; repeatable',
      repeat(parseDevice)
    )
    .option(
      '--range <metres>',
      `devices stand in a row, ${SPACING} m apart in the order they come, and hear each other up to so far`,
      parseAmount
    )
    .option('--loss <share>', 'share of advertisements and data that is lost on the way, 0 to 1', parseShare, 0)
    .option('--rate <bytes>', 'bytes a second over each link and way; about 90000 is usual for a radio (default: no limit)', parseAmount)
    .option('--json', 'print events as JSON lines; the first one has port and host')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh air --port 7300
  kithmesh air --port 7300 --range 7 --loss 0.1 --rate 90000     a row of devices of which each hears its neighbours
  kithmesh air --port 7300 --address c0ffee00000a                 a controller of this address, at the port after it

Each connection to the port is a Bluetooth controller of its own that speaks HCI as serial lines do (H4), so other programs can use it too,
for example as tcp-client:127.0.0.1:7300. There is no protection: whoever reaches the port takes part.`
    )
    .action(async (options: AirCommandOptions) => {
      const { VirtualAir, serveAir } = await loadAir()
      const air = new VirtualAir({ clock: systemClock })
      const servers: AirServer[] = []
      let count = 0
      if (options.range !== undefined) air.setRange(options.range)
      air.setLoss({ advertising: options.loss, data: options.loss })
      if (options.rate !== undefined) air.setPace({ bytesPerSecond: options.rate })
      const joined = (controller: VirtualController): void => {
        if (options.range !== undefined) air.place(controller, { x: count++ * SPACING, y: 0 })
        if (options.json) jsonLine(io, { event: 'joined', address: controller.address.id, controllers: air.controllers.length })
        else line(io, `${controller.address.id} joined, ${air.controllers.length} on the air`)
      }
      const left = (controller: VirtualController, error: Error | undefined): void => {
        const reason = error === undefined ? {} : { reason: error.message }
        if (options.json) jsonLine(io, { event: 'left', address: controller.address.id, controllers: air.controllers.length, ...reason })
        else
          line(io, `${controller.address.id} left, ${air.controllers.length} on the air${error === undefined ? '' : ` (${error.message})`}`)
      }
      try {
        const first = await serveAir(air, { port: options.port, host: options.host, joined, left })
        servers.push(first)
        for (const address of options.address ?? []) {
          const port = options.port === 0 ? 0 : first.port + servers.length
          servers.push(await serveAir(air, { port, host: options.host, controller: { address }, joined, left }))
        }
        const own = servers.slice(1).map(({ port }, index) => ({ address: options.address?.[index] as string, port }))
        if (options.json) jsonLine(io, { event: 'listening', host: first.host, port: first.port, addresses: own })
        else {
          line(io, `a virtual air at ${first.host}:${first.port}`)
          for (const { address, port } of own) line(io, `  ${address} at ${first.host}:${port}`)
        }
        await untilInterrupted(io)
      } finally {
        await Promise.all(servers.map((server) => server.close()))
        await air.close()
      }
      if (options.json) jsonLine(io, { event: 'stopped' })
    })
}

/** Loaded when it is needed: nobody else who runs a command wants test tools. */
async function loadAir(): Promise<typeof import('@kithmesh/testkit/ble')> {
  return await import('@kithmesh/testkit/ble')
}

function parseDevice(text: string): string {
  const digits = text.replaceAll(':', '').toLowerCase()
  if (!/^[0-9a-f]{12}$/.test(digits)) throw cliErrors.create('ERR_CLI_USAGE', `${text} is not an address of twelve hex digits`)
  return digits
}

function parseAmount(text: string): number {
  const amount = Number(text)
  if (text.trim() === '' || !(amount > 0 && amount < Number.POSITIVE_INFINITY))
    throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a number above 0`)
  return amount
}

function parseShare(text: string): number {
  const share = Number(text)
  if (text.trim() === '' || !(share >= 0 && share <= 1)) throw cliErrors.create('ERR_CLI_USAGE', `${text} is not a share from 0 to 1`)
  return share
}
