import { X509Certificate } from 'node:crypto'
import { readFile, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type { Collection, Database } from '@kithmesh/database'
import { errorCode } from '@kithmesh/core/plugin'
import { lastRuns } from '../last-run.ts'
import { counted } from '../counted.ts'
import { type Finding, failed, ok, problem, warning } from './finding.ts'

const DAY_MS = 86_400_000
const MIB = 1024 * 1024
const EXPIRES_SOON_MS = 30 * DAY_MS
/** Room below which a database will soon be in trouble. */
const LITTLE_ROOM = 200 * MIB
const NO_ROOM = 10 * MIB

/** Where the state of one device lies: its database, and who it is. Nothing is made that is not there. */
export async function examineDirectory(directory: string, { now }: { readonly now: number }): Promise<Finding[]> {
  if ((await stat(directory).catch(() => undefined)) === undefined)
    return [warning('directory', `${directory} is not there`, 'Check the path; put, import, sync and serve make what is missing.')]
  return [
    await examineRoom(directory),
    ...(await examineDatabase(directory)),
    ...(await examineIdentity(directory, now)),
    await examineKnownPeers(directory),
    ...(await examineLastRuns(directory))
  ]
}

async function examineRoom(directory: string): Promise<Finding> {
  let free: number
  try {
    const { bavail, bsize } = await statfs(directory)
    free = bavail * bsize
  } catch (error) {
    return failed('disk', error)
  }
  const text = `${Math.floor(free / MIB).toLocaleString('en')} MiB free`
  const hint = 'Free some space: a database on a full disk takes no more documents.'
  return free < NO_ROOM ? problem('disk', text, hint) : free < LITTLE_ROOM ? warning('disk', text, hint) : ok('disk', text)
}

/** Reads all of the store; takes long when it is large. There is no finding where there is no database that can be opened. */
export async function examineIntegrity(directory: string): Promise<Finding[]> {
  const { Database } = await import('@kithmesh/database')
  const database = await Database.open(directory, { createIfMissing: false, watch: false }).catch(() => undefined)
  if (database === undefined) return []
  try {
    database.checkIntegrity()
    return [ok('integrity', 'all of the store can be read')]
  } catch (error) {
    return [failed('integrity', error)]
  } finally {
    await database.close()
  }
}

async function examineDatabase(directory: string): Promise<Finding[]> {
  const { Database } = await import('@kithmesh/database')
  let database: Database
  try {
    database = await Database.open(directory, { createIfMissing: false, watch: false })
  } catch (error) {
    if (errorCode(error) !== 'ERR_DB_NOT_FOUND') return [failed('database', error)]
    return [warning('database', `there is none in ${directory}`, 'Check the path; put, import, sync and serve make one.')]
  }
  try {
    const collections: Collection[] = database.collections().map(({ name, scope }) => database.collection(name, scope))
    const documents = collections.reduce((sum, collection) => sum + collection.count, 0)
    return [ok('database', `${counted(documents, 'document')} in ${counted(collections.length, 'collection')}, ${database.versioning}`)]
  } catch (error) {
    return [failed('database', error)]
  } finally {
    await database.close()
  }
}

async function examineIdentity(directory: string, now: number): Promise<Finding[]> {
  const path = join(directory, 'identity.pem')
  let pem: string
  let mode: number
  try {
    pem = await readFile(path, 'latin1')
    mode = (await stat(path)).mode
  } catch (error) {
    return [errorCode(error) === 'ENOENT' ? ok('identity', 'none yet; sync and serve make one') : failed('identity', error)]
  }
  const { loadIdentity } = await import('@kithmesh/identity')
  try {
    const { peerId, certificatePem } = await loadIdentity({ pem })
    const findings = [judgeValidity(peerId, new X509Certificate(certificatePem), now)]
    if (process.platform !== 'win32' && (mode & 0o077) !== 0)
      findings.push(
        warning('identity file', `${path} can be read by other users of this machine`, `It holds the private key: chmod 600 ${path}`)
      )
    return findings
  } catch (error) {
    return [failed('identity', error)]
  }
}

function judgeValidity(peerId: string, { validFrom, validTo }: X509Certificate, now: number): Finding {
  const again = 'Move identity.pem away, and the next sync makes a new one; others have to accept its new id.'
  const day = (text: string): string => new Date(text).toISOString().slice(0, 10)
  if (now < Date.parse(validFrom))
    return problem(
      'identity',
      `${peerId} is valid from ${day(validFrom)} only`,
      'Set the clock of this machine, or of the one that made it.'
    )
  if (now >= Date.parse(validTo)) return problem('identity', `${peerId} expired on ${day(validTo)}`, again)
  const text = `${peerId}, valid until ${day(validTo)}`
  return now >= Date.parse(validTo) - EXPIRES_SOON_MS ? warning('identity', text, again) : ok('identity', text)
}

/** A damaged file refuses everybody, so that must be seen here. */
async function examineKnownPeers(directory: string): Promise<Finding> {
  const { openKnownPeers } = await import('@kithmesh/identity')
  const file = openKnownPeers(join(directory, 'known-peers.json'))
  try {
    const peers = await file.load()
    const revoked = (await file.revocations.load()).length
    const levels = (['trusted', 'restricted', 'blocked'] as const)
      .map((level) => ({ level, count: peers.filter((peer) => peer.level === level).length }))
      .filter(({ count }) => count > 0)
      .map(({ level, count }) => `${count} ${level}`)
    const text = peers.length === 0 ? 'nobody yet' : `${counted(peers.length, 'device')}: ${levels.join(', ')}`
    return ok('known peers', revoked === 0 ? text : `${text}; ${counted(revoked, 'revocation')}`)
  } catch (error) {
    return failed('known peers', error)
  }
}

/** What the commands were told when they last ran here, as far as it opens the door. */
async function examineLastRuns(directory: string): Promise<Finding[]> {
  const { sync, serve } = await lastRuns(directory)
  const findings: Finding[] = []
  if (sync?.accepts === 'everybody')
    findings.push(
      warning(
        'insecure sync',
        `sync ran with --insecure (${sync.at}): whoever knows the group may read and write`,
        'Say who may come instead: --pair, --password-file, --trust, --ca, or nothing, and nobody unknown is let in.'
      )
    )
  else if (sync !== undefined) findings.push(ok('trust of sync', `${ACCEPTED[sync.accepts]} (${sync.at})`))
  if (serve?.accepts === 'everybody')
    findings.push(
      warning(
        'insecure serve',
        `serve ran without --user (${serve.at}): whoever reaches the port is let in`,
        'Give it --user or --user-file.'
      )
    )
  return findings
}

const ACCEPTED = {
  everybody: 'everybody',
  known: 'devices that are known, and nobody else',
  named: 'devices named by id',
  authority: 'devices of an authority',
  'first-use': 'the first device of each name',
  proof: 'devices that prove themselves'
} as const
