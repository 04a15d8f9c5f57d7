import type { Reply, RequestOptions } from './contracts.ts'
import { ERROR } from './frame.ts'
import type { ExpectedReply } from './inbox.ts'
import type { ReceivedMessage } from './received-message.ts'
import type { BodySink, IncomingAssembly } from './incoming-assembly.ts'

/** What a request of ours waits for. */
export class PendingReply implements ExpectedReply {
  readonly onReply: ((reply: Reply) => void) | undefined
  readonly sink: BodySink | undefined
  readonly releasesPieces: boolean
  readonly maxBodyBytes: number | undefined
  assembly: IncomingAssembly | undefined

  constructor(onReply: ((reply: Reply) => void) | undefined, options: RequestOptions | undefined) {
    this.onReply = onReply
    this.sink = options?.onBody
    this.releasesPieces = options?.releasesPieces === true
    this.maxBodyBytes = options?.maxBodyBytes
    this.assembly = undefined
  }
}

/** How the application sees a received reply; error replies as in blip.md §5. */
export function toReply(message: ReceivedMessage): Reply {
  const { properties } = message
  if (message.type === ERROR) {
    const code = Number.parseInt(properties['Error-Code'] ?? '0', 10)
    return {
      kind: 'error',
      domain: properties['Error-Domain'] ?? 'BLIP',
      code: Number.isNaN(code) ? 0 : code,
      message: message.body.toString('utf8')
    }
  }
  if (message.tooLarge) return { kind: 'error', domain: 'BLIP', code: 413, message: 'The reply is too large' }
  if (message.sinkError !== undefined)
    return { kind: 'error', domain: 'BLIP', code: 501, message: `The reply could not be taken: ${messageOf(message.sinkError)}` }
  return { kind: 'ok', properties, body: message.body }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
