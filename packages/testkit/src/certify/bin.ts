import { runCertify } from './command-line.ts'

const stop = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    stop.abort(new DOMException('Interrupted', 'AbortError'))
  })
}

void runCertify(
  process.argv.slice(2),
  {
    out: (text) => {
      process.stdout.write(text)
    },
    err: (text) => {
      process.stderr.write(text)
    }
  },
  stop.signal
).then((code) => {
  process.exitCode = code
})
