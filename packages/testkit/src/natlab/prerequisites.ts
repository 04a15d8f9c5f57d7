import { findPrograms } from './commands.ts'
import type { Programs } from './commands.ts'
import { natlabErrors } from './errors.ts'

/** Programs that every lab needs, with the Debian packages they come from. */
const packages: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  sh: 'dash'
}

/** Programs that are used where they exist. */
const optional: readonly string[] = ['tc', 'python3']

/** Who runs this, and on what. */
export interface Platform {
  readonly platform: string
  readonly uid: number | undefined
}

/** Why a lab cannot be made by this user on this system, if so. Pure. */
export function refusal({ platform, uid }: Platform): string | undefined {
  if (platform !== 'linux') return `A NAT lab needs Linux; this is ${platform}`
  if (uid !== 0) return 'A NAT lab makes network namespaces and needs root'
  return undefined
}

/** @throws ERR_NATLAB_UNSUPPORTED, ERR_NATLAB_PROGRAMS */
export async function checkPrerequisites(): Promise<Programs> {
  const reason = refusal({ platform: process.platform, uid: process.getuid?.() })
  if (reason !== undefined) throw natlabErrors.create('ERR_NATLAB_UNSUPPORTED', reason)
  const programs = await findPrograms([...Object.keys(packages), ...optional])
  const missing = Object.keys(packages).filter((name) => !programs.has(name))
  if (missing.length > 0) throw missingPrograms(missing, [...new Set(missing.map((name) => packages[name] as string))])
  return programs
}

/** Finds programs or says which package has them. @throws ERR_NATLAB_PROGRAMS */
export async function requirePrograms(names: readonly string[], debianPackage: string): Promise<Programs> {
  const programs = await findPrograms(names)
  const missing = names.filter((name) => !programs.has(name))
  if (missing.length > 0) throw missingPrograms(missing, [debianPackage])
  return programs
}

function missingPrograms(missing: readonly string[], debianPackages: readonly string[]): Error {
  return natlabErrors.create('ERR_NATLAB_PROGRAMS', `Not installed: ${missing.join(', ')}`, {
    hint: `On Debian: apt-get install ${debianPackages.join(' ')}`,
    details: { missing }
  })
}
