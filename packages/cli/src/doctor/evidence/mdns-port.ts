import { join } from 'node:path'
import { linkAt, namesIn, textOf } from './files.ts'
import { outputOf } from './output-of.ts'
import { refusalOfPort } from './socket.ts'

/** Who has UDP port 5353 open. */
export interface MdnsPortEvidence {
  readonly holders: readonly PortHolder[]
  /** Whether who holds them could be looked up for all sockets. */
  readonly complete: boolean
  /** What came of opening the port beside the others, as discovery does: undefined when it worked. */
  readonly refused: { readonly family: 4 | 6; readonly code: string } | undefined
}

export interface PortHolder {
  /** As the system calls it, cut to 15 characters on Linux. */
  readonly program: string | undefined
  readonly pid: number | undefined
  /** Of whom the socket is. */
  readonly user: string | undefined
  readonly addresses: readonly string[]
}

const PORT = 5353
const PORT_HEX = '14E9'

/** Opens the port for a moment, beside whoever has it, and sends nothing. @param root for tests: where `/proc` and `/etc` are */
export async function mdnsPortEvidence(
  signal: AbortSignal,
  root = '/',
  platform: NodeJS.Platform = process.platform
): Promise<MdnsPortEvidence> {
  const { holders, complete } =
    platform === 'linux' ? holdersOnLinux(root) : platform === 'win32' ? { holders: [], complete: false } : await holdersByLsof(signal)
  return { holders, complete, refused: (await refusalOfPort(PORT, 4)) ?? (await refusalOfPort(PORT, 6)) }
}

interface LinuxSocket {
  readonly inode: string
  readonly uid: string
  readonly address: string
}

function holdersOnLinux(root: string): Pick<MdnsPortEvidence, 'holders' | 'complete'> {
  const sockets = [...rows(root, 'proc/net/udp'), ...rows(root, 'proc/net/udp6')]
  if (sockets.length === 0) return { holders: [], complete: true }
  const owners = ownersOf(new Set(sockets.map(({ inode }) => inode)), root)
  const users = userNames(root)
  const holders = new Map<string, { program: string | undefined; pid: number | undefined; user: string | undefined; addresses: string[] }>()
  for (const { inode, uid, address } of sockets) {
    const owner = owners.get(inode)
    const key = owner === undefined ? `user ${uid}` : `process ${owner.pid}`
    const known = holders.get(key) ?? { program: owner?.program, pid: owner?.pid, user: users.get(uid) ?? uid, addresses: [] }
    if (!known.addresses.includes(address)) known.addresses.push(address)
    holders.set(key, known)
  }
  return { holders: [...holders.values()], complete: sockets.every(({ inode }) => owners.has(inode)) }
}

/** `sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode …` (proc(5)). */
function rows(root: string, file: string): LinuxSocket[] {
  return (textOf(join(root, file)) ?? '')
    .split('\n')
    .map((row) => row.trim().split(/\s+/))
    .flatMap((cells) => {
      const [address = '', port] = (cells[1] ?? '').split(':')
      return port === PORT_HEX ? [{ inode: cells[9] ?? '', uid: cells[7] ?? '', address: readAddress(address) }] : []
    })
}

/** Words of 32 bits in the order of the machine, which is taken for little-endian. */
function readAddress(hex: string): string {
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse().map((byte) => Number.parseInt(byte, 16)))
  if (bytes.length === 4) return bytes.join('.')
  if (bytes.every((byte) => byte === 0)) return '::'
  return Array.from({ length: 8 }, (_, index) => (((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0)).toString(16)).join(':')
}

/** Of which process each socket is, as far as this one may know: as root of all, otherwise of the user's own. */
function ownersOf(inodes: ReadonlySet<string>, root: string): Map<string, { readonly pid: number; readonly program: string | undefined }> {
  const found = new Map<string, { readonly pid: number; readonly program: string | undefined }>()
  for (const pid of namesIn(join(root, 'proc')).filter((name) => /^\d+$/.test(name)))
    for (const handle of namesIn(join(root, 'proc', pid, 'fd'))) {
      const inode = /^socket:\[(\d+)\]$/.exec(linkAt(join(root, 'proc', pid, 'fd', handle)) ?? '')?.[1]
      if (inode !== undefined && inodes.has(inode) && !found.has(inode))
        found.set(inode, { pid: Number(pid), program: textOf(join(root, 'proc', pid, 'comm'))?.trim() })
    }
  return found
}

function userNames(root: string): Map<string, string> {
  const rowsOf = (textOf(join(root, 'etc/passwd')) ?? '').split('\n').map((row) => row.split(':'))
  return new Map(rowsOf.flatMap(([name, , uid]) => (name !== undefined && uid !== undefined ? [[uid, name] as const] : [])))
}

/** macOS and the BSDs: `lsof` shows the sockets of others to root only. */
async function holdersByLsof(signal: AbortSignal): Promise<Pick<MdnsPortEvidence, 'holders' | 'complete'>> {
  const text = await outputOf('lsof', ['-nP', `-iUDP:${PORT}`, '-Fpcn'], signal)
  return { holders: text === undefined ? [] : readLsof(text), complete: false }
}

/** `-F` output: a line per field, `p` begins a process, `c` is its name, `n` the address of a socket. Pure. */
export function readLsof(text: string): PortHolder[] {
  const holders: { program: string | undefined; pid: number; user: undefined; addresses: string[] }[] = []
  for (const row of text.split('\n')) {
    const value = row.slice(1)
    const last = holders.at(-1)
    if (row.startsWith('p')) holders.push({ program: undefined, pid: Number(value), user: undefined, addresses: [] })
    else if (last !== undefined && row.startsWith('c')) last.program = value
    else if (last !== undefined && row.startsWith('n')) {
      const address = value.replace(/:5353$/, '')
      if (!last.addresses.includes(address)) last.addresses.push(address)
    }
  }
  return holders
}
