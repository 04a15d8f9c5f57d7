// Starts `kithmesh serve` for the witness.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Database } from '@kithmesh/database'
import { noteProcess } from '../../../tools/lib/processes.mjs'
import { freePorts } from '../../support/ports.mjs'

// KITHMESH_PROGRAM names another kithmesh to try, such as an installed one.
const program = process.env.KITHMESH_PROGRAM ?? fileURLToPath(new URL('../../../packages/cli/bin/kithmesh.js', import.meta.url))

/**
 * Resolves with `{ url, stop }` once the listener says where it is. `stop` ends it as Ctrl-C would and rejects when it did not end well.
 * Rejects with its standard error when it ends, or stays silent for 20 s, before that.
 */
export async function serve(directory, user, fixedPort, ...more) {
  const port = fixedPort ?? (await freePorts(1))[0]
  const args = [program, 'serve', directory, '--port', String(port), '--db', 'db', '--tls', 'off', '--user', user, '--json', ...more]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  noteProcess(child, `kithmesh serve ${directory}`)
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  const exited = once(child, 'exit')
  const url = await new Promise((resolve, reject) => {
    const fail = (reason) => {
      child.kill('SIGKILL')
      reject(new Error(`kithmesh serve ${reason}: ${errors}`))
    }
    const timer = setTimeout(fail, 60_000, 'did not say where it listens')
    let text = ''
    child.stdout.on('data', (chunk) => {
      text += chunk
      const ready = text
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
        .find((line) => line.port !== undefined || line.url !== undefined)
      if (ready === undefined) return
      clearTimeout(timer)
      resolve(`ws://127.0.0.1:${ready.port ?? new URL(ready.url).port}/db`)
    })
    exited.then(() => {
      clearTimeout(timer)
      fail('ended')
    })
  })
  return {
    url,
    /** Ends it without warning. */
    async kill() {
      child.kill('SIGKILL')
      await exited
    },
    async stop() {
      child.kill('SIGINT')
      const timer = setTimeout(() => child.kill('SIGKILL'), 60_000)
      const [code, signal] = await exited
      clearTimeout(timer)
      if (code !== 0) throw new Error(`kithmesh serve ended with ${code ?? signal}: ${errors}`)
    }
  }
}

/** Puts a document that was deleted again, beside the running server; returns its revision id. */
export async function makeAnew(directory, id, body) {
  const database = await Database.open(directory, { createIfMissing: false })
  try {
    return database.collection().put(id, body).revId
  } finally {
    await database.close()
  }
}
