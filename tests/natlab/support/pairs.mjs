// Pairs of routers as the command line names them. Pure.
//   SIDE = KIND[+MODIFIER…]     port-restricted+rst, full-cone+hairpin, port-restricted+cgn=symmetric-random, firewall+no-udp
//   the second one also: same-nat[+isolated], behind the router of the first
import { natKinds } from '@kithmesh/testkit/natlab'

/** The kinds whose combinations make the table. */
export const tableKinds = [
  'open',
  'firewall',
  'full-cone',
  'address-restricted',
  'port-restricted',
  'symmetric-random',
  'symmetric-sequential',
  'port-preserving'
]

/** `[a, b]` for every combination, each once, and each kind with itself. */
export function allPairs(kinds = tableKinds) {
  return kinds.flatMap((a, index) => kinds.slice(index).map((b) => [a, b]))
}

/** `A:B,C:D` as `[[A, B], [C, D]]`. @throws Error for what cannot be read */
export function parsePairs(text) {
  return text.split(',').map((pair) => {
    const sides = pair.trim().split(':')
    if (sides.length !== 2) throw new Error(`a pair is written A:B, not ${pair}`)
    parseSide(sides[0], 'a')
    parseSide(sides[1], 'b')
    return sides
  })
}

/** A side as the options of a NAT lab. @throws Error */
export function parseSide(text, side) {
  const [kind, ...modifiers] = text.split('+')
  if (kind === 'same-nat') {
    if (side !== 'b') throw new Error('only the second of a pair can be same-nat')
    const wrong = modifiers.find((modifier) => modifier !== 'isolated')
    if (wrong !== undefined) throw new Error(`same-nat takes isolated, not ${wrong}`)
    return { behind: 'a', isolated: modifiers.includes('isolated') }
  }
  if (!natKinds.includes(kind)) throw new Error(`there is no kind ${JSON.stringify(kind)}; there are ${natKinds.join(', ')} and same-nat`)
  const options = { kind }
  for (const modifier of modifiers) {
    const [name, value] = modifier.split('=')
    if (['rst', 'icmp', 'accept'].includes(name)) options.unsolicited = name
    else if (name === 'hairpin') options.hairpin = true
    else if (name === 'no-udp') options.blockUdp = true
    else if (name === 'cgn' && natKinds.includes(value)) options.carrier = value
    else throw new Error(`there is no modifier ${modifier}; there are rst, icmp, accept, hairpin, no-udp and cgn=KIND`)
  }
  return options
}

/** The options of a lab for a pair. */
export function labOptions([a, b], { latencyMs, lossPercent, ipv6 } = {}) {
  return {
    a: parseSide(a, 'a'),
    b: parseSide(b, 'b'),
    ...(latencyMs === undefined ? {} : { latencyMs }),
    ...(lossPercent === undefined ? {} : { lossPercent }),
    ...(ipv6 === undefined ? {} : { ipv6 })
  }
}
