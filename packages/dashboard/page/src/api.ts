// Asking the program for JSON.
import type { DashboardFailure, Problem } from '@kithmesh/dashboard/contracts'

const PATIENCE_MS = 10_000

/** An answer that is none; `status` is 0 when the program could not be reached. */
export class RequestFailed extends Error {
  readonly status: number
  readonly problem: Problem

  constructor(status: number, problem: Problem) {
    super(problem.message)
    this.name = 'RequestFailed'
    this.status = status
    this.problem = problem
  }
}

let onSignedOut: () => void = () => {}

/** Has `listener` called when the program wants its token again. */
export function whenSignedOut(listener: () => void): void {
  onSignedOut = listener
}

/** Gets JSON. Rejects with {@link RequestFailed}; with the signal's reason when that aborts. */
export async function getJson<T>(path: string, { signal }: { readonly signal?: AbortSignal } = {}): Promise<T> {
  const patience = AbortSignal.timeout(PATIENCE_MS)
  let response: Response
  try {
    response = await fetch(path, {
      headers: { accept: 'application/json' },
      cache: 'no-store',
      signal: signal === undefined ? patience : AbortSignal.any([signal, patience])
    })
  } catch {
    signal?.throwIfAborted()
    throw new RequestFailed(0, { code: null, message: 'The program does not answer.', hint: 'Look whether it is still running.' })
  }
  if (response.status === 401) onSignedOut()
  let body: unknown
  try {
    body = await response.json()
  } catch {
    signal?.throwIfAborted()
  }
  if (response.ok) return body as T
  const problem = (body as DashboardFailure | undefined)?.error
  throw new RequestFailed(response.status, {
    code: typeof problem?.code === 'string' ? problem.code : null,
    message: typeof problem?.message === 'string' ? problem.message : `The program answered with status ${response.status}.`,
    hint: typeof problem?.hint === 'string' ? problem.hint : null
  })
}

/** `/api/documents?collection=…`, without what is undefined. */
export function query(path: string, values: Readonly<Record<string, string | number | undefined>>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value !== undefined) search.set(name, String(value))
  return `${path}?${search}`
}
