import type { ErrorAnswer, ErrorView } from '#contracts'

/** What the server refused, with its words. */
export class Refused extends Error {
  readonly status: number
  readonly view: ErrorView

  constructor(status: number, view: ErrorView) {
    super(view.message)
    this.status = status
    this.view = view
  }
}

/** Sends JSON. @throws Refused */
export async function post(path: string, body: object = {}): Promise<unknown> {
  return await send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
}

/** Sends a file as it is. @throws Refused */
export async function upload(path: string, file: Blob): Promise<unknown> {
  return await send(path, { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: file })
}

async function send(path: string, request: RequestInit): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(path, request)
  } catch {
    throw new Refused(0, {
      code: 'OFFLINE',
      reason: 'OFFLINE',
      message: 'The program behind this page does not answer.',
      hint: 'Start it again.'
    })
  }
  const answer: unknown = await response.json().catch(() => ({}))
  if (response.ok) return answer
  const { error } = answer as Partial<ErrorAnswer>
  throw new Refused(response.status, error ?? { code: 'HTTP', reason: 'HTTP', message: `The answer was ${response.status}.`, hint: '' })
}

/** A file as base64, for requests in JSON. */
export async function base64Of(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer())
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}
