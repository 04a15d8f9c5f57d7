// A running witness: requests to its standard input, answers from its standard output (src/Witness.java).
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { witnessProgram } from './prepare.mjs'
import { noteProcess } from '../../../tools/lib/processes.mjs'

const WAIT_MS = 60_000

/** What differs from one replication to the next; see src/Settings.java. */
let names = 0

/** Couchbase Lite in a process of its own, with databases in one directory. */
export class Witness {
  #process
  #exited
  #number = 0
  #waiting = new Map()
  #errors = ''
  /** Why there is no answer any more. */
  #ended

  /** @param properties Java's system properties, such as the trust store */
  constructor(directory, properties) {
    const { command, args, options } = witnessProgram(directory, properties)
    this.#process = spawn(command, args, { ...options, stdio: 'pipe' })
    noteProcess(this.#process, 'witness')
    this.#process.stdin.on('error', () => {})
    this.#process.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-20_000)
    })
    createInterface({ input: this.#process.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) {
        // Java says there why it crashes.
        this.#errors += `${line}\n`
        return
      }
      const { number, result, failure } = JSON.parse(line)
      const { resolve, reject, what } = this.#waiting.get(number)
      this.#waiting.delete(number)
      if (failure === undefined) resolve(result)
      else reject(new Error(`the witness failed (${what}): ${failure}`))
    })
    this.#exited = once(this.#process, 'close').then(([code, signal]) => {
      this.#ended = `the witness ended with ${code ?? signal}: ${this.#errors}`
      for (const { reject, what } of this.#waiting.values()) reject(new Error(`${what}: ${this.#ended}`))
    })
  }

  /** Resolves with the answer to one request of the classes under src/. */
  async ask(what, request = {}) {
    if (this.#ended !== undefined) throw new Error(`${what}: ${this.#ended}`)
    const number = ++this.#number
    return await new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject, what: `${what} ${JSON.stringify(request).slice(0, 200)}` })
      this.#process.stdin.write(`${JSON.stringify({ ...request, number, do: what })}\n`)
    })
  }

  /** One database, by name. */
  database(name) {
    return new WitnessDatabase(this, name)
  }

  /** Ends the process without warning. */
  async kill() {
    this.#process.kill('SIGKILL')
    await this.#exited
  }

  async end() {
    this.#process.stdin.end()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 10_000)
    await this.#exited
    clearTimeout(timer)
  }
}

class WitnessDatabase {
  #witness
  #name

  constructor(witness, name) {
    this.#witness = witness
    this.#name = name
  }

  async #ask(what, request) {
    return await this.#witness.ask(what, { database: this.#name, ...request })
  }

  async get(id) {
    const document = await this.#ask('get', { id })
    return document === null ? undefined : parsed(document)
  }
  /** All documents, `{ id, rev, body, blobs }`, by id. */
  async list() {
    return (await this.#ask('list')).map(parsed)
  }
  /** Saves one document over what is there; resolves with its revision id. The body is a value, or JSON text to the letter. */
  async put(id, body) {
    return (await this.putMany({ [id]: body }))[0].rev
  }
  async putMany(bodies) {
    const documents = Object.entries(bodies).map(([id, body]) => ({ id, json: typeof body === 'string' ? body : JSON.stringify(body) }))
    return await this.#ask('put', { documents })
  }
  async blob(id, property, seed, bytes, contentType = 'application/octet-stream') {
    return await this.#ask('blob', { id, property, seed, bytes, contentType })
  }
  async putNumbers(id, numbers) {
    return await this.#ask('putNumbers', { id, numbers })
  }
  async numbers(id) {
    return await this.#ask('numbers', { id })
  }
  /** Resolves with the revisions of the deletions. */
  async remove(...ids) {
    return await this.#ask('remove', { ids })
  }
  async purge(...ids) {
    await this.#ask('purge', { ids })
  }
  async fill(count, { blobs = false } = {}) {
    await this.#ask('fill', { count, blobs })
  }
  async edit(count) {
    return await this.#ask('edit', { count })
  }
  async close() {
    await this.#ask('close')
  }

  /** Starts a replicator; see src/Settings.java for the settings. */
  async start(url, settings = {}) {
    const replicator = `replicator-${++names}`
    await this.#ask('start', { replicator, url, type: 'PUSH_AND_PULL', ...settings })
    return new WitnessReplicator(this.#witness, replicator)
  }
  /** Runs a one-shot replication to its end and resolves with its report. */
  async replicate(url, settings) {
    const replicator = await this.start(url, settings)
    return await replicator.stopped()
  }
}

class WitnessReplicator {
  #witness
  #name

  constructor(witness, name) {
    this.#witness = witness
    this.#name = name
  }

  async #ask(what, request) {
    return await this.#witness.ask(what, { replicator: this.#name, ...request })
  }

  /**
   * What it has done: `{ activity, seen, error, pushed, pulled, failed }`; `pushed` and `pulled` are ids in alphabetical order,
   * `failed` maps the ids of documents that were refused to their errors.
   */
  async report() {
    return summary(await this.#ask('report'))
  }
  async until(activity) {
    return summary(await this.#ask('await', { activity, ms: WAIT_MS }))
  }
  async idle() {
    return await this.until('IDLE')
  }
  async stopped() {
    return await this.until('STOPPED')
  }
  async stop() {
    await this.#ask('stop')
    return await this.stopped()
  }
  async pending() {
    return (await this.#ask('pending')).sort()
  }
}

function parsed({ json, ...document }) {
  return { ...document, body: JSON.parse(json) }
}

function summary({ documents, ...report }) {
  const ids = (chosen) => chosen.map(({ id }) => id).sort()
  const failed = documents.filter(({ error }) => error !== undefined)
  const moved = documents.filter(({ error }) => error === undefined)
  return {
    ...report,
    pushed: ids(moved.filter(({ push }) => push)),
    pulled: ids(moved.filter(({ push }) => !push)),
    failed: Object.fromEntries(failed.map(({ id, error }) => [id, error])),
    deletions: ids(documents.filter(({ deleted }) => deleted))
  }
}
