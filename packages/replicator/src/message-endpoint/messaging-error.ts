import { replicatorErrors } from '../errors.ts'
import { classifyFailure } from '../retry-policy.ts'
import type { LinkEnd } from './link-options.ts'

/** Close codes of message endpoints (discovery-api.md §C). */
export const RECOVERABLE = 4001
export const NOT_RECOVERABLE = 4002

/**
 * What an application's connection failed with. Recoverable: the replicator goes offline and tries again through a new connection.
 * Not recoverable: the replicator stops with it.
 */
export class MessagingError extends Error {
  /** What went wrong, as the transport said it. */
  readonly error: Error
  readonly recoverable: boolean

  constructor(error: Error, recoverable: boolean) {
    super(error.message, { cause: error })
    this.name = 'MessagingError'
    this.error = error
    this.recoverable = recoverable
  }
}

/** By its shape, because two copies of this package may live in one program. */
function isMessagingError(error: unknown): error is MessagingError {
  return error instanceof Error && typeof (error as MessagingError).recoverable === 'boolean'
}

/**
 * How a link ends by an error of the application. An error that does not say whether it is recoverable is judged by its code, as those of
 * other connections are: a refused or broken connection is, an exception without a code is not.
 */
export function endOfFailure(what: string, given: unknown): LinkEnd {
  const recoverable = isMessagingError(given) ? given.recoverable : classifyFailure(given) !== 'permanent'
  const cause = isMessagingError(given) ? given.error : given
  const text = cause instanceof Error ? cause.message : String(cause)
  const error = replicatorErrors.create('ERR_REPL_MESSAGING', `${what}: ${text}`, { cause, details: { recoverable } })
  return { code: recoverable ? RECOVERABLE : NOT_RECOVERABLE, reason: text, error, local: false }
}

/** What the application's connection is told about the end; nothing when it is a normal one. */
export function errorForApplication(end: LinkEnd): MessagingError | undefined {
  if (end.code === 1000 && end.error === undefined) return undefined
  const error =
    end.error ??
    replicatorErrors.create('ERR_REPL_CLOSED', `The replicator closed the connection (${end.code} ${end.reason})`, {
      details: { code: end.code, reason: end.reason }
    })
  return new MessagingError(error, end.code !== NOT_RECOVERABLE && end.code !== 1002)
}
