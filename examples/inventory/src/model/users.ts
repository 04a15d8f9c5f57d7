import { scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { equalSecrets } from '@kithmesh/identity'

const derive = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>

/** One entry of `userlist.json`: a password as it is, for samples, or `scrypt`: salt and hash in hex with a colon between. */
interface User {
  readonly name: string
  readonly password?: string
  readonly scrypt?: string
}

/** The people who may log in, here and at the listener. */
export class UserList {
  readonly #users: ReadonlyMap<string, User>

  /**
   * @param text The JSON of `userlist.json`.
   * @throws TypeError that says which entry cannot be used.
   */
  constructor(text: string) {
    const entries: unknown = JSON.parse(text)
    if (!Array.isArray(entries)) throw new TypeError('The user list is not a JSON array')
    this.#users = new Map(
      entries.map((entry: Partial<User> | null, index) => {
        const ok = typeof entry?.name === 'string' && /^[\w.@-]{1,64}$/.test(entry.name) && !entry.name.startsWith('.')
        const hash = typeof entry?.scrypt === 'string' && /^[0-9a-f]{16,}:[0-9a-f]{64}$/.test(entry.scrypt)
        if (!ok || !(typeof entry.password === 'string' || hash))
          throw new TypeError(`Entry ${index + 1} of the user list needs a name of letters and digits, and a password or scrypt`)
        return [entry.name as string, entry as User]
      })
    )
  }

  get names(): string[] {
    return [...this.#users.keys()]
  }

  /** A name that is not there is compared too, so that the time an answer takes tells little. */
  async check(name: string, password: string): Promise<boolean> {
    const user = this.#users.get(name)
    if (user?.scrypt === undefined) return equalSecrets(password, user?.password ?? '') && user !== undefined
    const [salt = '', hash = ''] = user.scrypt.split(':')
    const expected = Buffer.from(hash, 'hex')
    return timingSafeEqual(await derive(password, Buffer.from(salt, 'hex'), expected.length), expected)
  }
}
