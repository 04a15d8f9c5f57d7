import { spawn } from 'node:child_process'
import { natlabErrors } from './errors.ts'

/** The absolute paths of the programs of the lab, by name. */
export type Programs = ReadonlyMap<string, string>

/** Where Debian keeps administrators' programs; PATH often lacks them. */
const FIND = 'PATH=$PATH:/usr/sbin:/sbin; for name; do printf "%s %s\\n" "$name" "$(command -v "$name")"; done'

/** Looks for programs; those that are missing are left out. */
export async function findPrograms(names: readonly string[]): Promise<Programs> {
  const text = await runCommand('sh', ['-c', FIND, 'sh', ...names])
  const rows = text.split('\n').map((line) => line.split(' ') as [string, string | undefined])
  return new Map(rows.filter((row): row is [string, string] => row[1] !== undefined && row[1] !== ''))
}

/** Runs a program to its end and resolves with its standard output. @throws ERR_NATLAB_COMMAND when it fails or takes longer than `timeoutMs` */
export function runCommand(
  file: string,
  args: readonly string[],
  { input = '', timeoutMs = 30_000 }: { readonly input?: string; readonly timeoutMs?: number } = {}
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A program that ends before it has read everything says why by its exit code.
    child.stdin.on('error', () => undefined)
    const fail = (what: string, cause?: Error): void => {
      const output = Buffer.concat(err).toString().trim().slice(0, 4000)
      const message = `${file} ${args.join(' ')} ${what}${output === '' ? '' : `: ${output.slice(0, 300)}`}`
      reject(natlabErrors.create('ERR_NATLAB_COMMAND', message, { details: { output }, ...(cause === undefined ? {} : { cause }) }))
    }
    child.once('error', (error) => fail('cannot be started', error))
    child.once('close', (code, signal) => {
      if (code === 0) resolve(Buffer.concat(out).toString())
      else fail(signal === null ? `ended with ${code}` : `was ended by ${signal}`)
    })
    child.stdin.end(input)
  })
}
