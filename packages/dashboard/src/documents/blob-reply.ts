import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { errorCode } from '@kithmesh/core'
import type { Database } from '@kithmesh/database'
import { dashboardErrors } from '../errors.ts'
import { securityHeaders, slowReaderMs } from '../http/reply.ts'
import { digestPattern, pictureTypes } from './body-blobs.ts'
import { textParameter } from './parameters.ts'

/**
 * Streams a blob: pictures of harmless kinds to be shown, everything else as a download, whatever the document calls it.
 * @throws ERR_DASHBOARD_REQUEST, ERR_DASHBOARD_NOT_FOUND; afterwards the response is cut when something fails
 */
export async function sendBlob(
  database: Database,
  parameters: URLSearchParams,
  request: IncomingMessage,
  response: ServerResponse
): Promise<void> {
  const digest = textParameter(parameters, 'digest')
  const type = textParameter(parameters, 'type', '')
  if (!digestPattern.test(digest)) throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', 'The digest is none')
  const length = database.blobs.size(digest)
  const bytes = length === undefined ? undefined : database.blobs.openRead(digest)
  if (length === undefined || bytes === undefined) throw dashboardErrors.create('ERR_DASHBOARD_NOT_FOUND', 'There is no such blob here')
  const picture = pictureTypes.has(type)
  response.writeHead(200, {
    ...securityHeaders,
    'Content-Security-Policy': "sandbox; default-src 'none'",
    'Content-Type': picture ? type : 'application/octet-stream',
    'Content-Length': length,
    'Content-Disposition': picture ? 'inline' : `attachment; filename="${digest.replace(/[^A-Za-z0-9-]/g, '_')}"`,
    // What a digest stands for does not change.
    'Cache-Control': 'private, max-age=3600'
  })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  response.setTimeout(slowReaderMs, () => response.destroy())
  try {
    await pipeline(Readable.from(bytes, { objectMode: false }), response)
  } catch (error) {
    // Whoever asked has gone; that is theirs to decide.
    if (errorCode(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error
  }
}
