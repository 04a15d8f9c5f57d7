// An inventory as two people keep it: items with pictures, edited, deleted and edited again on both sides.
import { createHash } from 'node:crypto'
import { Database } from '@kithmesh/database'

/** Bytes that are the same each time and compress badly. */
function picture(name, length) {
  const pieces = []
  for (let size = 0, index = 0; size < length; size += 64, index++) pieces.push(createHash('sha512').update(`${name} ${index}`).digest())
  return Buffer.concat(pieces).subarray(0, length)
}

/** Opens a directory beside a `kithmesh sync` that may be running on it, as another program would. */
export async function withItems(directory, use) {
  const database = await Database.open(directory, { watch: false })
  try {
    return await use(new Items(database))
  } finally {
    await database.close()
  }
}

class Items {
  constructor(database) {
    this.database = database
    this.collection = database.collection()
  }

  async add(name, { pictureBytes = 0, ...more } = {}) {
    const picturesBlob =
      pictureBytes === 0 ? {} : { picture: await this.database.blobs.saveBlob(picture(name, pictureBytes), 'image/jpeg') }
    this.collection.put(`item:${name}`, { name, quantity: 1, ...more, ...picturesBlob })
  }

  async addMany(prefix, count, options = {}) {
    for (let index = 0; index < count; index++)
      await this.add(`${prefix}-${index}`, {
        ...options,
        ...(options.everyNthPicture && index % options.everyNthPicture !== 0 ? { pictureBytes: 0 } : {})
      })
  }

  edit(name, changes) {
    const { body } = this.collection.get(`item:${name}`)
    this.collection.put(`item:${name}`, { ...body, ...changes })
  }

  delete(name) {
    this.collection.remove(`item:${name}`)
  }

  has(name) {
    return this.collection.get(`item:${name}`) !== undefined
  }
}
