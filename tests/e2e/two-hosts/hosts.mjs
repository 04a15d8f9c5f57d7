// Two hosts: network namespaces that are joined by a pair of virtual Ethernet devices and know nothing of any other network.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

function ip(...args) {
  return execFileSync('ip', args, { stdio: 'pipe' }).toString()
}

/** IPv6 addresses may not be used before the link has been asked for duplicates; that is left out, nobody else is there. */
function configure(host, device, addresses) {
  ip('netns', 'exec', host, 'sh', '-c', `echo 0 > /proc/sys/net/ipv6/conf/${device}/accept_dad`)
  ip('-n', host, 'link', 'set', 'lo', 'up')
  for (const address of addresses) ip('-n', host, 'address', 'add', address, 'dev', device, ...(address.includes(':') ? ['nodad'] : []))
  ip('-n', host, 'link', 'set', device, 'up')
}

/**
 * Makes the two, `[{ name, device }, …]` and `remove`. With `ipv4` they have addresses of 10.77.0.0/24 besides the link-local IPv6 ones
 * that every device has.
 */
export function makeHosts({ ipv4 }) {
  const id = randomBytes(3).toString('hex')
  const hosts = ['a', 'b'].map((letter) => ({ name: `km-${id}-${letter}`, device: `km${id}${letter}` }))
  const made = []
  const remove = () => {
    // The devices go with the namespaces.
    for (const name of made.splice(0)) ip('netns', 'delete', name)
  }
  try {
    for (const { name } of hosts) {
      ip('netns', 'add', name)
      made.push(name)
    }
    const [a, b] = hosts
    ip('-n', a.name, 'link', 'add', a.device, 'type', 'veth', 'peer', 'name', b.device, 'netns', b.name)
    for (const [index, { name, device }] of hosts.entries()) configure(name, device, ipv4 ? [`10.77.0.${index + 1}/24`] : [])
    return { hosts, remove }
  } catch (error) {
    remove()
    throw new Error(`The network namespaces could not be made: ${error.stderr?.toString() || error.message}`, { cause: error })
  }
}

/** Joins two hosts by another cable, with addresses of 10.<subnet>.0.0/24; resolves with the two ends. */
export function addCable([a, b], subnet) {
  const [one, other] = [a, b].map(({ name, device }) => ({ name, device: `${device}${subnet}`, address: '' }))
  ip('-n', one.name, 'link', 'add', one.device, 'type', 'veth', 'peer', 'name', other.device, 'netns', other.name)
  return [one, other].map((end, index) => {
    const address = `10.${subnet}.0.${index + 1}`
    configure(end.name, end.device, [`${address}/24`])
    return { ...end, address }
  })
}

/** Cuts or mends the cable at one end. */
export function cable({ name, device }, state) {
  ip('-n', name, 'link', 'set', device, state)
}

/** The IPv4 addresses of a host, loopback left out. */
export function ipv4Addresses({ name }) {
  return JSON.parse(ip('-n', name, '-json', '-4', 'address', 'show', 'scope', 'global')).flatMap((device) => device.addr_info ?? [])
}

/** Whether the device of a host has noticed that the cable is in, which takes a moment. */
export function isRunning({ name, device }) {
  return JSON.parse(ip('-n', name, '-json', 'link', 'show', 'dev', device))[0].operstate === 'UP'
}
