import type { IncomingMessage } from 'node:http'

/** A request that is answered with an HTTP status in place of what it asked for. */
export class HttpRefusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** How much more of a body that is too long is read and thrown away, so that the sender gets to read the answer. */
const DRAIN = 32 * 1024 * 1024

/** The whole body. @throws HttpRefusal 413 as soon as it is too long. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      if (length <= limit) chunks.push(chunk)
      else {
        chunks.length = 0
        reject(new HttpRefusal(413, `At most ${Math.round(limit / 1024).toLocaleString('en')} KiB can be sent.`))
        if (length > limit + DRAIN) request.destroy()
      }
    })
    request.once('end', () => resolve(Buffer.concat(chunks)))
    request.once('error', reject)
    request.once('close', () => reject(new HttpRefusal(400, 'The request was cut off.')))
  })
}

/** The fields of a JSON body. @throws HttpRefusal for anything else. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>

  private constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  static async read(request: IncomingMessage, limit: number): Promise<Fields> {
    if (!/^application\/json\b/.test(request.headers['content-type'] ?? '')) throw new HttpRefusal(415, 'Send application/json.')
    const text = (await readBody(request, limit)).toString()
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch {
      throw new HttpRefusal(400, 'The request is not valid JSON.')
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new HttpRefusal(400, 'The request is not a JSON object.')
    return new Fields(value as Record<string, unknown>)
  }

  text(name: string, longest = 200): string {
    const value = this.#values[name]
    if (typeof value !== 'string' || value.length > longest)
      throw new HttpRefusal(400, `"${name}" must be a text of at most ${longest} characters.`)
    return value
  }

  optionalText(name: string, longest = 200): string | undefined {
    return this.#values[name] === undefined ? undefined : this.text(name, longest)
  }

  number(name: string): number {
    const value = this.#values[name]
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new HttpRefusal(400, `"${name}" must be a whole number.`)
    return value
  }

  optionalNumber(name: string): number | undefined {
    return this.#values[name] === undefined ? undefined : this.number(name)
  }

  flag(name: string): boolean {
    const value = this.#values[name]
    if (typeof value !== 'boolean') throw new HttpRefusal(400, `"${name}" must be true or false.`)
    return value
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = values.find((candidate) => candidate === this.#values[name])
    if (value === undefined) throw new HttpRefusal(400, `"${name}" must be one of ${values.join(', ')}.`)
    return value
  }
}
