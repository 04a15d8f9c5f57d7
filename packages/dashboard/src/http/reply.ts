import type { OutgoingHttpHeaders } from 'node:http'
import { dashboardErrors } from '../errors.ts'
import { problemOf } from '../problem.ts'
import type { DashboardFailure } from '../contracts.ts'
import { type KithmeshError, isKithmeshError } from '@kithmesh/core'

/** How long an answer may not get on before it is cut off. */
export const slowReaderMs = 30_000

/** What is answered to a request, but for streams. */
export interface Reply {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly body: Buffer | string
}

/** Sent with every answer: a page of ours loads nothing from elsewhere, is shown in no frame, and tells nobody its address. */
export const securityHeaders: OutgoingHttpHeaders = {
  'Content-Security-Policy':
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store'
}

const statuses: Readonly<Record<string, number>> = {
  ERR_DASHBOARD_TOKEN: 401,
  ERR_DASHBOARD_HOST: 403,
  ERR_DASHBOARD_METHOD: 405,
  ERR_DASHBOARD_REQUEST: 400,
  ERR_DASHBOARD_NOT_FOUND: 404,
  ERR_DASHBOARD_BUSY: 503,
  ERR_DASHBOARD_FAILED: 500
}

export function jsonReply(text: string, status = 200): Reply {
  return { status, headers: { 'Content-Type': 'application/json; charset=utf-8' }, body: text }
}

function textReply(text: string, status = 200): Reply {
  return { status, headers: { 'Content-Type': 'text/plain; charset=utf-8' }, body: text }
}

/** @param page a person asked, who is to read it. */
export function failureReply(error: unknown, page: boolean): Reply {
  const known = ourError(error)
  const status = statuses[known.code] ?? 500
  if (page) return textReply(`${known.message}.\n\n${known.hint}\n`, status)
  const failure: DashboardFailure = { error: problemOf(known) }
  const reply = jsonReply(JSON.stringify(failure), status)
  return status === 401 ? { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': 'Bearer' } } : reply
}

/** What others threw is for the log, not for the page. */
function ourError(error: unknown): KithmeshError {
  if (isKithmeshError(error) && statuses[error.code] !== undefined) return error
  return dashboardErrors.create('ERR_DASHBOARD_FAILED', 'The request could not be answered', { cause: error })
}
