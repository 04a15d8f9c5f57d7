import type { Message } from './message.ts'
import type { MessagingError } from './messaging-error.ts'

/**
 * The replicator's end of one link, handed to the application in {@link MessageEndpointConnection.open}. Keep it with the link it came for:
 * messages of one link given to another end that one with a protocol error.
 */
export interface ReplicatorConnection {
  /**
   * Takes what came from the other side, in order. What comes before `open` has completed waits; what comes after the end is ignored.
   * False: the replicator does not keep up, wait for {@link ReplicatorConnection.ready} before giving more.
   * Who goes on nevertheless is cut off at a limit.
   */
  receive(message: Message): boolean
  /** Resolves when there is room again, or at the end. */
  ready(): Promise<void>
  /**
   * The transport has disconnected, or is about to be: ends the link and answers with {@link MessageEndpointConnection.close}.
   * Without an error it is a normal end, after which continuous replicators try again. Idempotent.
   */
  close(error?: MessagingError): void
}

/**
 * The application's end of one link, for one connection to one peer (discovery-api.md §C). A rejection with a `MessagingError` says whether
 * trying again makes sense; other errors are judged by their code. {@link fromCompletions} makes one of callbacks.
 */
export interface MessageEndpointConnection {
  /** Connects, and keeps `replicatorConnection` for what comes in. Called once; resolves when messages can be sent. */
  open(replicatorConnection: ReplicatorConnection): Promise<void>
  /** Sends one message; resolves when the transport has it. The next follows only then. */
  send(message: Message): Promise<void>
  /**
   * Disconnects the transport and resolves when that is done. Called exactly once, whoever ended the link and however, also when `open` failed.
   * `error` tells why unless it was a normal end.
   */
  close(error?: MessagingError): Promise<void>
}
