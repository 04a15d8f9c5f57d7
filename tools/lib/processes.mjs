// What the programs that a test started have printed, for the report of a test that failed.

const MAX_TEXT = 20_000
const MAX_NOTED = 40

let noted = []

/**
 * Remembers a child process whose output is piped, under a name for people. To be called when it was just started: what it prints is read from
 * then on, also by others that listen to `data`.
 */
export function noteProcess(child, name) {
  const entry = { name, state: 'running', out: '', err: '' }
  for (const [key, stream] of [
    ['out', child.stdout],
    ['err', child.stderr]
  ])
    stream?.on('data', (text) => {
      entry[key] = (entry[key] + text).slice(-MAX_TEXT)
    })
  child.once('error', (error) => {
    entry.state = `could not be started: ${error.message}`
  })
  child.once('exit', (code, signal) => {
    entry.state = `ended with ${code ?? signal}`
  })
  noted.push(entry)
  if (noted.length > MAX_NOTED) noted.shift()
}

/** The last processes: their state and the last lines they printed. Of those that ended well, what they printed to stdout is left out. */
export function noteworthy(count = 8, lines = 10) {
  return noted.slice(-count).map(({ name, state, out, err }) => ({
    name,
    state,
    out: state === 'ended with 0' ? [] : lastLines(out, lines),
    err: lastLines(err, lines)
  }))
}

/** Forgets what has ended; what runs may belong to the next test, too. */
export function forgetEnded() {
  noted = noted.filter(({ state }) => state === 'running')
}

function lastLines(text, count) {
  return text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .filter((line) => line !== '')
    .map((line) => (line.length > 400 ? `${line.slice(0, 400)}…` : line))
}
