import type { Message } from './message.ts'
import type { MessageEndpointConnection, ReplicatorConnection } from './message-endpoint-connection.ts'
import { MessagingError } from './messaging-error.ts'

/** Tells that an operation is done; without success, `error` says why. Only the first call counts. */
export type MessagingCompletion = (success: boolean, error?: MessagingError | null) => void

/** A {@link MessageEndpointConnection} with callbacks in place of promises, as Couchbase Lite for Android and Apple have it. */
export interface CompletionConnection {
  open(replicatorConnection: ReplicatorConnection, completion: MessagingCompletion): void
  send(message: Message, completion: MessagingCompletion): void
  close(error: MessagingError | undefined, completion: () => void): void
}

/** For code written with completions. A failure without an error counts as recoverable. */
export function fromCompletions(connection: CompletionConnection): MessageEndpointConnection {
  return {
    open: (replicatorConnection) =>
      completed((completion) => {
        connection.open(replicatorConnection, completion)
      }),
    send: (message) =>
      completed((completion) => {
        connection.send(message, completion)
      }),
    close: (error) =>
      new Promise((resolve) => {
        connection.close(error, resolve)
      })
  }
}

function completed(run: (completion: MessagingCompletion) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    run((success, error) => {
      if (success) resolve()
      else reject(error ?? new MessagingError(new Error('it failed without saying why'), true))
    })
  })
}
