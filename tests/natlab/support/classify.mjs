// What answers tell of a router, in the terms of RFC 4787. Pure.

/** `seen`: how one local port appeared to address 1 port 1, address 1 port 2, and address 2 port 1. */
export function mappingOf(seen, own) {
  if (seen.some((each) => each === undefined)) return 'unknown'
  const [base, otherPort, otherAddress] = seen.map(({ address, port }) => `${address} ${port}`)
  if (base !== otherPort) return 'address-and-port-dependent'
  if (base !== otherAddress) return 'address-dependent'
  return seen[0].address === own ? 'none' : 'endpoint-independent'
}

/** Whether packets came through from an address, and from a port of a known address, that nothing was sent to. */
export function filteringOf(fromOtherAddress, fromOtherPort) {
  if (fromOtherAddress) return 'endpoint-independent'
  return fromOtherPort ? 'address-dependent' : 'address-and-port-dependent'
}

/** `pairs`: [local port, external port] in the order of their opening; three neighbouring local ports first. */
export function allocationOf(pairs) {
  const external = pairs.map(([, port]) => port)
  if (external.some((port) => port === undefined)) return 'unknown'
  const distances = pairs.map(([local, port]) => port - local)
  const steps = external.slice(1).map((port, index) => port - external[index])
  const allEqual = (numbers) => numbers.every((number) => number === numbers[0])
  if (allEqual(distances)) return distances[0] === 0 ? 'equal' : 'preserving'
  if (allEqual(steps) && Math.abs(steps[0]) < 100) return 'independent'
  if (steps[0] === steps[1] && Math.abs(steps[0]) < 100) return 'dependent'
  return 'random'
}
