import { createHash, timingSafeEqual } from 'node:crypto'
import { longTermKey } from '@kithmesh/stun'
import type { RelayUser } from './contracts.ts'

interface Known {
  readonly digest: Buffer
  /** Keys of TURN: of a password, never the password itself. */
  readonly md5: Buffer
  readonly sha256: Buffer
}

/** Who may use the relay. Passwords are not kept, only what they are compared with. */
export class UserTable {
  readonly realm: string
  #known: ReadonlyMap<string, Known>

  /** @throws TypeError for no users, two of one name, names or passwords that cannot be used */
  constructor(realm: string, users: readonly RelayUser[]) {
    this.realm = realm
    this.#known = this.#derive(users)
  }

  /** @returns the names of those that are gone or have another password. @throws TypeError as the constructor */
  replace(users: readonly RelayUser[]): ReadonlySet<string> {
    const before = this.#known
    this.#known = this.#derive(users)
    const changed = [...before].filter(([name, { digest }]) => !(this.#known.get(name)?.digest.equals(digest) ?? false))
    return new Set(changed.map(([name]) => name))
  }

  /** Takes as long for names that are not known, and for any wrong password. */
  accepts(username: string, password: Uint8Array): boolean {
    const known = this.#known.get(username)
    const same = timingSafeEqual(digestOf(password), known?.digest ?? NOBODY)
    return known !== undefined && same
  }

  /** The key of long-term credentials (RFC 8489 §9.2.2); undefined for a name that is not known. */
  key(username: string, hash: 'md5' | 'sha256'): Buffer | undefined {
    return this.#known.get(username)?.[hash]
  }

  #derive(users: readonly RelayUser[]): Map<string, Known> {
    const known = new Map<string, Known>()
    for (const { username, password } of users) {
      if (!/^[^:\p{Cc}\p{Cs}]{1,128}$/u.test(username))
        throw new TypeError('A user name has 1 to 128 characters, no colon and no control characters')
      if (!/^[^\p{Cc}\p{Cs}]{8,256}$/u.test(password))
        throw new TypeError(`The password of ${username} must have 8 to 256 characters, no control characters`)
      if (known.has(username)) throw new TypeError(`There are two users ${username}`)
      known.set(username, {
        digest: digestOf(Buffer.from(password)),
        md5: longTermKey(username, this.realm, password, 'md5'),
        sha256: longTermKey(username, this.realm, password, 'sha256')
      })
    }
    if (known.size === 0) throw new TypeError('A relay needs at least one user')
    return known
  }
}

const NOBODY = Buffer.alloc(32)

function digestOf(password: Uint8Array): Buffer {
  return createHash('sha256').update('kithmesh relay password\n').update(password).digest()
}
