// A network of hosts that can be taken apart: network namespaces, each with a cable to one of several switches, and all that is under test happens in them.
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'

function ip(...args) {
  return execFileSync('ip', args, { stdio: 'pipe' }).toString()
}

/** Makes `count` hosts at one switch: `hosts`, names of namespaces; `part`, which puts them at different switches; and `remove`. */
export function makeSwitchedHosts(count) {
  const id = randomBytes(3).toString('hex')
  const centre = `km-${id}-sw`
  const made = []
  const remove = () => {
    for (const name of made.splice(0)) ip('netns', 'delete', name)
  }
  const add = (name) => {
    ip('netns', 'add', name)
    made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  try {
    add(centre)
    for (let n = 0; n < count; n++) {
      ip('-n', centre, 'link', 'add', `br${n}`, 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0')
      ip('-n', centre, 'link', 'set', `br${n}`, 'up')
    }
    const hosts = Array.from({ length: count }, (_, n) => {
      const name = `km-${id}-${n}`
      add(name)
      ip('-n', name, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `port${n}`, 'netns', centre)
      // IPv6 addresses may not be used before the link has been asked for duplicates; nobody else is there.
      ip('netns', 'exec', name, 'sh', '-c', 'echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad')
      ip('-n', name, 'address', 'add', `10.78.0.${n + 1}/24`, 'dev', 'eth0')
      ip('-n', centre, 'link', 'set', `port${n}`, 'master', 'br0', 'up')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
      return name
    })
    /** Those of one part reach each other and nobody else. No host notices, as with switches of which one loses its cable to the others. */
    const part = (parts) => {
      for (const [index, numbers] of parts.entries())
        for (const n of numbers) ip('-n', centre, 'link', 'set', `port${n}`, 'master', `br${index}`)
    }
    return { hosts, part, remove }
  } catch (error) {
    remove()
    throw new Error(`The network namespaces could not be made: ${error.stderr?.toString() || error.message}`, { cause: error })
  }
}
