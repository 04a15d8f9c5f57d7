// The transports of a peer of the lab, by the names that reports use. A package is loaded only when it is asked for.
const makers = {
  async direct() {
    const { direct } = await import('@kithmesh/transport-direct')
    return direct()
  },
  async reverse() {
    const { reverse } = await import('@kithmesh/transport-reverse')
    return reverse()
  },
  async 'tcp-hole-punch'({ stun, clock }) {
    const { holePunch } = await import('@kithmesh/transport-holepunch')
    return holePunch({ stun, ...(clock === undefined ? {} : { clock }) })
  },
  async turn({ turn: servers }) {
    const { turn } = await import('@kithmesh/transport-turn')
    return turn({ servers })
  }
}

export const strategyNames = Object.keys(makers)

/** `config` is that of peer.mjs. `measured` is called with what the NAT probe found out, each time. */
export async function transportsOf(config, measured) {
  const { strategies = strategyNames } = config
  const transports = []
  for (const name of strategies) {
    if (makers[name] === undefined) throw new Error(`there is no strategy ${name}; there are ${strategyNames.join(', ')}`)
    transports.push(await makers[name](config))
  }
  return { transports, network: config.probe === false ? undefined : await probeOf(config, measured) }
}

async function probeOf({ stun }, measured) {
  const { natProbe } = await import('@kithmesh/stun')
  const factory = natProbe({ servers: stun })
  return {
    name: factory.name,
    create(context) {
      const probe = factory.create(context)
      return {
        async measure(options) {
          const facts = await probe.measure(options)
          measured(facts)
          return facts
        },
        onStale: (stale) => probe.onStale(stale),
        shutdown: () => probe.shutdown()
      }
    }
  }
}
