// Devices with pages: processes of `kithmesh sync --web`, each with a directory of its own whose database is also open here.
import { join } from 'node:path'
import { Database } from '@kithmesh/database'
import { cleanUp, newGroup, start, temporaryDirectory, uniqueName } from '../support/kithmesh.mjs'

/** For a `describe`: makes devices of one group, and ends them behind each test. */
export function usePeers() {
  let group = newGroup()
  let peers = []

  afterEach(async () => {
    await cleanUp()
    for (const { database } of peers) await database.close()
    peers = []
    group = newGroup()
  })

  return {
    /** `words` are more words for `kithmesh sync`. It is not started yet. */
    async make(base, { name = uniqueName(base), words = [] } = {}) {
      const directory = join(temporaryDirectory(), base)
      const database = await Database.open(directory, { watch: false })
      const peer = {
        name,
        directory,
        database,
        process: undefined,
        /** Starts it with a page; resolves with the address of that. */
        async open({ port = 0, more = words } = {}) {
          peer.begin(['--web', String(port), ...more])
          return (await peer.process.event(({ event }) => event === 'web', `the page of ${name}`)).url
        },
        begin(more = words) {
          peer.process = start(['sync', directory, '--group', group, '--name', name, '--interface', 'lo', '--insecure', '--json', ...more])
        },
        async id() {
          return (await peer.process.event(({ event }) => event === 'started', `the start of ${name}`)).peerId
        }
      }
      peers.push(peer)
      return peer
    }
  }
}

/** A picture of one colour, as a PNG file of 8 × 8 pixels. */
export const picture = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR4nGNowAEYhpYEAILzYAGc7g8kAAAAAElFTkSuQmCC',
  'base64'
)

/** The text of an element as it is shown. */
export async function textOf(locator) {
  await locator.first().waitFor()
  return (await locator.allInnerTexts()).join('\n')
}
