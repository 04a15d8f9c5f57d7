import type { Authenticator, CertificateVerdict } from '../authenticators.ts'
import type { TrustProtocol, TrustVerdict } from '@kithmesh/core'

const MAX_COMBINED = 16

/**
 * Trusts whom one of the authenticators trusts. The first that accepts the certificate decides; otherwise the peer may prove itself to any of those that want
 * a proof of it, by their protocols in the order given. To keep somebody out whatever the others say, put what refuses into {@link allOf}.
 */
export function anyOf(...authenticators: readonly Authenticator[]): Authenticator {
  return {
    ...combined(authenticators, 'or'),
    protocols: distinct(authenticators.flatMap(({ protocols = [] }) => protocols)),
    check: async (peer) => {
      const wanted: TrustProtocol[] = []
      const reasons: string[] = []
      let proves = false
      for (const part of authenticators) {
        let verdict: CertificateVerdict
        try {
          verdict = await part.check(peer)
        } catch (error) {
          reasons.push(`${part.name}: ${error instanceof Error ? error.message : String(error)}`)
          continue
        }
        if (verdict === true) return true
        const proofs = proofsOf(part, verdict)
        proves ||= proofs !== undefined
        wanted.push(...(proofs ?? []))
      }
      if (proves) return { prove: distinct(wanted) }
      if (reasons.length > 0) throw new Error(reasons.join('; '))
      return false
    }
  }
}

/**
 * Trusts whom all of the authenticators trust, e.g. `allOf(trustedAuthorities(…), sharedPassword(…))`. A refusal of one is a refusal. Where several have protocols, the peer gives a proof to each
 * of them on one connection, one after the other. Such a protocol is named by theirs, joined by `+`: both ends combine the same ones in the same order.
 * @throws TypeError when the protocols combine in more than 16 ways
 */
export function allOf(...authenticators: readonly Authenticator[]): Authenticator {
  return {
    ...combined(authenticators, 'and'),
    protocols: combinationsOf(authenticators.map(({ protocols = [] }) => protocols)),
    check: async (peer) => {
      let proves = false
      const wanted: (readonly TrustProtocol[])[] = []
      for (const part of authenticators) {
        const verdict = await part.check(peer)
        const proofs = verdict === true ? undefined : proofsOf(part, verdict)
        if (verdict !== true && proofs === undefined) return false
        if (proofs?.length === 0) return { prove: [] }
        proves ||= proofs !== undefined
        // Also of those that are content with the certificate: the other end combines all of them, knowing nothing of that.
        wanted.push(proofs ?? part.protocols ?? [])
      }
      return proves ? { prove: combinationsOf(wanted) } : true
    }
  }
}

function combined(authenticators: readonly Authenticator[], word: string): Pick<Authenticator, 'name' | 'authorities'> {
  if (authenticators.length === 0) throw new TypeError('at least one authenticator is needed')
  const authorities = authenticators.flatMap((each) => each.authorities ?? [])
  return { name: authenticators.map(({ name }) => name).join(` ${word} `), ...(authorities.length === 0 ? {} : { authorities }) }
}

/** What proves a peer to this authenticator; undefined when it refuses. */
function proofsOf({ protocols = [] }: Authenticator, verdict: CertificateVerdict): readonly TrustProtocol[] | undefined {
  if (verdict === 'prove') return protocols
  return typeof verdict === 'object' && verdict !== null ? verdict.prove : undefined
}

function distinct(protocols: readonly TrustProtocol[]): readonly TrustProtocol[] {
  return protocols.filter(({ name }, index) => protocols.findIndex((other) => other.name === name) === index)
}

/** One protocol for each way to take one of each list that has any. */
function combinationsOf(lists: ReadonlyArray<readonly TrustProtocol[]>): readonly TrustProtocol[] {
  const choices = lists.filter(({ length }) => length > 0)
  if (choices.length === 0) return []
  if (choices.reduce((product, { length }) => product * length, 1) > MAX_COMBINED)
    throw new TypeError(`the protocols combine in more than ${MAX_COMBINED} ways`)
  let rows: (readonly TrustProtocol[])[] = [[]]
  for (const choice of choices) rows = rows.flatMap((row) => choice.map((each) => [...row, each]))
  return rows.map((row) => (row.length === 1 ? row[0]! : inTurn(row)))
}

/** All of them on one connection. */
function inTurn(protocols: readonly TrustProtocol[]): TrustProtocol {
  return {
    name: protocols.map(({ name }) => name).join('+'),
    timeLimitMs: protocols.reduce((sum, { timeLimitMs = 30_000 }) => sum + timeLimitMs, 0),
    run: async (exchange) => {
      let remember = true
      for (const protocol of protocols) {
        const verdict: TrustVerdict = await protocol.run(exchange)
        if (!verdict.trusted) return verdict
        remember &&= verdict.remember === true
      }
      return { trusted: true, remember }
    }
  }
}
