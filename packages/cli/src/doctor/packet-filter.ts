/** What a packet filter does with what comes in. */
export interface InputFilter {
  /** Drops what no rule accepts. */
  readonly closed: boolean
  /** Some rule accepts multicast DNS. */
  readonly admitsMdns: boolean
}

const MDNS_PORT = 5353

/**
 * Reads what `nft --json list ruleset` writes (libnftables-json(5)). Tables that iptables made have parts that nft cannot write out; those are
 * left to {@link readIptables}. Pure.
 * @returns undefined for what cannot be understood
 */
export function readNftables(json: string): InputFilter | undefined {
  let entries: unknown
  try {
    entries = (JSON.parse(json) as { readonly nftables?: unknown }).nftables
  } catch {
    return undefined
  }
  if (!Array.isArray(entries)) return undefined
  const chains = entries.flatMap((entry: Entry) => (entry.chain === undefined ? [] : [entry.chain]))
  const rules = entries.flatMap((entry: Entry) => (entry.rule === undefined ? [] : [entry.rule]))
  const foreign = new Set(rules.filter(({ expr }) => expr.some((each) => 'xt' in each)).map(tableOf))
  let closed = false
  let admitsMdns = false
  for (const chain of chains.filter(({ hook }) => hook === 'input')) {
    if (foreign.has(tableOf(chain))) continue
    const own = rules.filter((rule) => tableOf(rule) === tableOf(chain) && rule.chain === chain.name)
    const last = own.at(-1)?.expr ?? []
    const endsClosed = last.length > 0 && last.every((each) => ['drop', 'reject', 'counter', 'log'].some((name) => name in each))
    if (chain.policy !== 'drop' && !endsClosed) continue
    closed = true
    admitsMdns ||= rules.some((rule) => tableOf(rule) === tableOf(chain) && admits(rule.expr))
  }
  return { closed, admitsMdns }
}

interface Entry {
  readonly chain?: {
    readonly family: string
    readonly table: string
    readonly name: string
    readonly hook?: string
    readonly policy?: string
  }
  readonly rule?: Rule
}

interface Rule {
  readonly family: string
  readonly table: string
  readonly chain: string
  readonly expr: ReadonlyArray<Readonly<Record<string, unknown>>>
}

function tableOf({ family, table }: { readonly family: string; readonly table: string }): string {
  return `${family} ${table}`
}

/** A rule that accepts, or sends elsewhere, what goes to UDP port 5353; or that accepts all UDP, or everything that is not asked for its state. */
function admits(expr: Rule['expr']): boolean {
  if (!expr.some((each) => 'accept' in each)) return false
  const matches = expr.flatMap((each) => ('match' in each ? [each['match'] as { readonly left?: unknown; readonly right?: unknown }] : []))
  const port = matches.find(({ left }) => isPayload(left, 'dport'))
  if (port !== undefined) return isPayload(port.left, 'dport', ['udp', 'th']) && holds(port.right, MDNS_PORT)
  // Rules for answers, for loopback or for single neighbours let no stranger's multicast in.
  return !matches.some(({ left }) => {
    const text = JSON.stringify(left)
    return /"ct"|"meta"|saddr|icmp|"tcp"/.test(text) && !/l4proto/.test(text)
  })
}

function isPayload(left: unknown, field: string, protocols?: readonly string[]): boolean {
  const { payload } = (left ?? {}) as { readonly payload?: { readonly protocol?: string; readonly field?: string } }
  return payload?.field === field && (protocols === undefined || protocols.includes(payload.protocol ?? ''))
}

/** A number, a range, or a set of such. */
function holds(right: unknown, port: number): boolean {
  if (typeof right === 'number') return right === port
  if (Array.isArray(right)) return right.some((each) => holds(each, port))
  const { set, range } = (right ?? {}) as { readonly set?: unknown; readonly range?: readonly [number, number] }
  if (range !== undefined) return port >= range[0] && port <= range[1]
  return Array.isArray(set) && set.some((each) => holds(each, port))
}

/** Reads what `iptables-save` and `ip6tables-save` write. Pure. */
export function readIptables(text: string): InputFilter {
  const filter = text.split(/^\*/m).filter((table) => table.startsWith('filter'))
  const rows = filter.flatMap((table) => table.split('\n').map((row) => row.trim()))
  const closed = rows.some((row) => /^:INPUT DROP\b/.test(row) || /^-A INPUT -j (DROP|REJECT)\b/.test(row))
  const admitsMdns = rows.some(
    (row) =>
      /-j ACCEPT\b/.test(row) &&
      /(-p udp\b|-m udp\b)/.test(row) &&
      (/--dports? \S*\b5353\b/.test(row) || !/--(d|s)ports?\b|--ctstate|-s |-i lo/.test(row))
  )
  return { closed, admitsMdns }
}
