import { readFileSync } from 'node:fs'
import { runCommandLine } from './program.ts'

const stop = new AbortController()
let asked = 0
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    asked++
    if (asked > 1) process.exit(130)
    stop.abort(new DOMException('Interrupted', 'AbortError'))
  })
}
// A reader such as `head` may leave early: that ends the program quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
void runCommandLine(
  process.argv.slice(2),
  {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    interactive: process.stderr.isTTY,
    colours: process.stderr.isTTY && process.env['NO_COLOR'] === undefined,
    signal: stop.signal,
    environment: process.env
  },
  version
).then((code) => {
  process.exitCode = code
})
