import type { X509Certificate } from 'node:crypto'
import * as asn1js from 'asn1js'

const USAGE = { server: '1.3.6.1.5.5.7.3.1', client: '1.3.6.1.5.5.7.3.2' } as const
const ANY_USAGE = '2.5.29.37.0'
const MAX_DEPTH = 8
/** Extensions this verification applies or may ignore; a critical one beyond them refuses the certificate (RFC 5280 §4.2). */
const KNOWN_EXTENSIONS = new Set(['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.35', '2.5.29.37'])

export interface VerifyOptions {
  /** Wall-clock milliseconds. */
  readonly now: number
  /** What the leaf's holder is in the connection. */
  readonly usage: 'server' | 'client'
}

export type ChainVerdict =
  | { readonly valid: true /** Leaf first, anchor last. */; readonly path: readonly X509Certificate[] }
  | { readonly valid: false; readonly reason: string }

/**
 * Finds a path from the first certificate to one of the anchors (RFC 5280 §6 without policies, name constraints and
 * revocation; a certificate that makes name constraints critical is refused). Checked on the way: signatures, validity,
 * the leaf's extended key usage, authority flag, key usage and path length of every issuer. An anchor that is the leaf itself counts.
 * Pure.
 */
export function verifyChain(chain: readonly X509Certificate[], anchors: readonly X509Certificate[], options: VerifyOptions): ChainVerdict {
  const leaf = chain[0]
  if (leaf === undefined) return { valid: false, reason: 'there is no certificate' }
  const problem = problemOf(leaf, options.now) ?? usageProblem(leaf, options.usage)
  if (problem !== undefined) return { valid: false, reason: `the certificate ${problem}` }
  let reason = 'no path to a trusted authority'
  const extend = (path: readonly X509Certificate[]): readonly X509Certificate[] | undefined => {
    const last = path[path.length - 1]!
    if (anchors.some((anchor) => anchor.raw.equals(last.raw))) return path
    if (path.length >= MAX_DEPTH) return undefined
    for (const candidate of [...anchors, ...chain.slice(1, MAX_DEPTH)]) {
      if (path.some((known) => known.raw.equals(candidate.raw))) continue
      if (!last.checkIssued(candidate) || !last.verify(candidate.publicKey)) continue
      const objection = problemOf(candidate, options.now) ?? issuerProblem(candidate, path.length - 1)
      if (objection !== undefined) {
        reason = `its issuer ${objection}`
        continue
      }
      const found = extend([...path, candidate])
      if (found !== undefined) return found
    }
    return undefined
  }
  const path = extend([leaf])
  return path === undefined ? { valid: false, reason } : { valid: true, path }
}

/** Whether a certificate is signed with its own key. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.subject === certificate.issuer && certificate.verify(certificate.publicKey)
}

function problemOf(certificate: X509Certificate, now: number): string | undefined {
  if (now < Date.parse(certificate.validFrom)) return `is not valid before ${certificate.validFrom}`
  if (now > Date.parse(certificate.validTo)) return `expired at ${certificate.validTo}`
  for (const [id, extension] of extensionsOf(certificate)) {
    if (extension.critical && !KNOWN_EXTENSIONS.has(id)) return `has an unknown critical extension ${id}`
  }
  return undefined
}

function usageProblem(certificate: X509Certificate, usage: 'server' | 'client'): string | undefined {
  const usages = certificate.keyUsage as readonly string[] | undefined
  if (usages === undefined || usages.includes(USAGE[usage]) || usages.includes(ANY_USAGE)) return undefined
  return `is not meant for use as a TLS ${usage}`
}

/** @param below number of intermediate authorities between this issuer and the leaf. */
function issuerProblem(certificate: X509Certificate, below: number): string | undefined {
  if (!certificate.ca) return 'is not an authority'
  const extensions = extensionsOf(certificate)
  const usage = extensions.get('2.5.29.15')?.value
  if (usage instanceof asn1js.BitString && ((usage.valueBlock.valueHexView[0] ?? 0) & 0x04) === 0) return 'may not sign certificates'
  const limit = ((extensions.get('2.5.29.19')?.value.valueBlock as { value?: asn1js.BaseBlock[] } | undefined)?.value ?? []).find(
    (part) => part instanceof asn1js.Integer
  )
  if (limit instanceof asn1js.Integer && below > limit.valueBlock.valueDec) return 'allows fewer intermediate authorities'
  return undefined
}

function extensionsOf(certificate: X509Certificate): Map<string, { critical: boolean; value: asn1js.BaseBlock }> {
  const result = new Map<string, { critical: boolean; value: asn1js.BaseBlock }>()
  const root = asn1js.fromBER(new Uint8Array(certificate.raw).buffer).result
  const tbs = (root.valueBlock as { value?: asn1js.BaseBlock[] }).value?.[0]
  const wrapped = (tbs?.valueBlock as { value?: asn1js.BaseBlock[] } | undefined)?.value?.find(
    (part) => part.idBlock.tagClass === 3 && part.idBlock.tagNumber === 3
  )
  const list = (wrapped?.valueBlock as { value?: asn1js.BaseBlock[] } | undefined)?.value?.[0]
  for (const extension of (list?.valueBlock as { value?: asn1js.BaseBlock[] } | undefined)?.value ?? []) {
    const parts = (extension.valueBlock as { value?: asn1js.BaseBlock[] }).value ?? []
    const [id, content] = [parts[0], parts[parts.length - 1]]
    if (!(id instanceof asn1js.ObjectIdentifier) || !(content instanceof asn1js.OctetString)) continue
    const flag = parts[1]
    result.set(id.valueBlock.toString(), {
      critical: flag instanceof asn1js.Boolean && flag.valueBlock.value,
      value: asn1js.fromBER(new Uint8Array(content.getValue()).buffer).result
    })
  }
  return result
}
