import { networkInterfaces, release } from 'node:os'
import type { Command } from 'commander'
import { systemClock } from '@kithmesh/core'
import { cliErrors } from '../errors.ts'
import { runChecks } from '../doctor/checks.ts'
import { examineDirectory, examineIntegrity } from '../doctor/directory.ts'
import { counted } from '../counted.ts'
import { type Finding, ok } from '../doctor/finding.ts'
import { examineClock, examineNode } from '../doctor/machine.ts'
import { machineChecks } from '../doctor/machine-checks.ts'
import { serverChecks } from '../doctor/server-checks.ts'
import { type Io, jsonLine, line } from '../io.ts'
import { repeat } from '../options.ts'
import { printable } from '../printable.ts'
import { type WideAreaOptions, addServerOptions } from '../wide-area.ts'

interface DoctorOptions extends WideAreaOptions {
  readonly interface?: readonly string[]
  readonly group?: string
  readonly network?: true
  readonly ble?: true
  readonly deep?: true
  readonly json?: true
}

/** For everything but `--deep`, milliseconds. */
const TOTAL_MS = 9_000
const DIRECTORY_MS = 8_000

export function doctorCommand(parent: Command, io: Io): void {
  const command = parent
    .command('doctor')
    .description('look for what keeps this machine, or a database directory, from syncing')
    .argument('[dir]', 'database directory to look at, too')
    .option('--interface <name>', 'network interface or address, as given to "sync"; repeatable', repeat(String))
    .option('--network', 'send multicast on the interfaces that discovery uses, and listen whether it comes back')
    .option('--ble', 'Bluetooth LE is wanted: what it lacks is a problem')
    .option('--group <id>', 'try the topics of this group at the brokers (default: those of a group that nobody has)')
  addServerOptions(command)
    .option('--deep', 'read all of the store, which takes long when it is large')
    .option('--json', 'print one JSON line per finding, a summary last')
    .addHelpText(
      'after',
      `
Examples:
  kithmesh doctor ./shop
  kithmesh doctor --network
  kithmesh doctor --broker mqtts://broker.example.org --stun stun:stun.example.org --turn turn:turn.example.org --turn-user-file turn-login
  kithmesh doctor ./shop --deep --json

Each line is "ok", a "warning" or a "problem", with a hint what to do; with a problem the command ends with 1. It takes less than ten seconds,
--deep apart. Only what is named is sent anything: --network sends multicast, and servers of --broker, --stun, --turn and --ntp are asked
what "sync" would ask them. Nothing is changed in any case. What is printed has no secrets, but names, addresses and ids.`
    )
    .action(async (directory: string | undefined, options: DoctorOptions) => {
      const begun = systemClock.monotonic()
      const count = { ok: 0, warning: 0, problem: 0 }
      const tell = (findings: readonly Finding[]): void => {
        for (const finding of findings) {
          count[finding.state]++
          if (options.json) jsonLine(io, { event: 'finding', ...finding })
          else print(io, finding)
        }
      }
      const now = systemClock.now()
      const interfaces = networkInterfaces()
      const servers = await serverChecks(options, { io, interfaces })
      tell([
        examineNode(process.versions.node, `${process.platform} ${release()}`, process.arch),
        ok('kithmesh', parent.version() ?? 'unknown'),
        examineClock(now)
      ])
      const own = directory === undefined ? [] : [directoryCheck(directory, now)]
      await runChecks([...machineChecks(options, interfaces), ...servers, ...own], {
        clock: systemClock,
        totalMs: TOTAL_MS,
        signal: io.signal,
        tell
      })
      if (options.deep === true && directory !== undefined) tell(await examineIntegrity(directory))
      io.signal.throwIfAborted()
      const elapsedMs = Math.round(systemClock.monotonic() - begun)
      if (options.json) jsonLine(io, { event: 'finished', ...count, elapsedMs })
      else
        line(
          io,
          `${counted(count.ok + count.warning + count.problem, 'finding')}: ${counted(count.problem, 'problem')}, ${counted(count.warning, 'warning')}`
        )
      if (count.problem > 0)
        throw cliErrors.create('ERR_CLI_UNWELL', `${count.problem === 1 ? 'A problem was' : `${count.problem} problems were`} found`)
    })
}

function directoryCheck(directory: string, now: number) {
  return { name: 'directory', deadlineMs: DIRECTORY_MS, run: () => examineDirectory(directory, { now }) }
}

function print(io: Io, { check, state, message, hint, code }: Finding): void {
  line(io, `${state.padEnd(7)}  ${printable(check)}: ${printable(message)}${code === undefined ? '' : ` [${code}]`}`)
  if (hint !== undefined) line(io, `         hint: ${printable(hint)}`)
}
