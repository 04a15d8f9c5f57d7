/**
 * Child process of the tests: `node writer-process.js <task> <directory> [argument]`.
 * Prints one line per finished step; ends by itself or is killed.
 */
import { createHash, randomBytes } from 'node:crypto'
import { writeSync } from 'node:fs'
import { Database } from '@kithmesh/database'

const [task, directory, argument = ''] = process.argv.slice(2) as [string, string, string?]

async function main(): Promise<void> {
  const database = await Database.open(directory)
  const items = database.collection()
  if (task === 'put-once') {
    items.put(argument, { from: 'another process' })
    writeSync(1, `${argument}\n`)
    await database.close()
  } else if (task === 'put-many') {
    for (let round = 0; round < 20; round += 1) {
      items.putMany(Array.from({ length: 50 }, (_, n) => ({ id: `${argument}-${round}-${n}`, body: { round, n } })))
      items.put('shared', { argument, round })
    }
    await database.close()
  } else if (task === 'blobs-for-ever') {
    for (let round = 0; ; round += 1) {
      const entries = await Promise.all(
        Array.from({ length: 1 + (round % 5) }, async (_, n) => {
          const blob = await database.blobs.saveBlob(randomBytes(1 + ((round * 7919) % 200_000)))
          return { id: `${argument}-${round}-${n}`, body: { blob } }
        })
      )
      items.putMany(entries)
      writeSync(1, entries.map(({ id }) => `${id}\n`).join(''))
    }
  } else if (task === 'watch-and-close') {
    items.watch(() => {})
    const feed = items.changesFeed()
    const next = feed.next()
    items.put('x', { sum: createHash('sha1').digest('hex') })
    await next
    await database.close()
    writeSync(1, 'closed\n')
  }
}

main().catch((error: unknown) => {
  throw error
})
