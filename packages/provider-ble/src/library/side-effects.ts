/** Listeners that the libraries add for the whole process, and never remove (ble.md §6.6). */
const processEvents = ['SIGINT', 'exit'] as const

type ProcessListener = (...parameters: unknown[]) => void

/**
 * Runs something that adds listeners to the process, and takes them away again: a library above us must neither decide what Ctrl+C does nor
 * stay reachable from the process. What the listeners are for, stopping at the end, is our business.
 */
export function withoutProcessListeners(run: () => void): void {
  const listeners = (event: string): ProcessListener[] => process.listeners(event as 'exit') as ProcessListener[]
  const before = processEvents.map((event) => new Set(listeners(event)))
  try {
    run()
  } finally {
    processEvents.forEach((event, index) => {
      for (const listener of listeners(event)) if (before[index]?.has(listener) !== true) process.removeListener(event, listener)
    })
  }
}

/** A library's view of its controller, as far as it is tamed here. All of them have it (ble.md §6.6). */
export interface PollingHci {
  /** Asks whether the adapter is up, and sets a timer that calls it again in a second, for ever. */
  pollIsDevUp(): void
}

/**
 * Takes hold of the timer with which a library's HCI layer looks after its adapter once a second, so that it can be ended. The layer sets it
 * with `setTimeout(this.pollIsDevUp.bind(this), 1000)` and drops the handle: its method is replaced on this instance by one whose `bind`
 * yields a function of ours, by which the timer is recognised while it is set.
 *
 * @param again whether it is to look again at all; not where a host of ours knows better
 * @returns ends it
 */
export function tamePolling(hci: PollingHci, again: boolean): () => void {
  const poll = hci.pollIsDevUp
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false
  const repeat = (): void => {
    if (!ended) look()
  }
  const look = (): void => {
    const set = globalThis.setTimeout
    const watched = (...parameters: Parameters<typeof setTimeout>): ReturnType<typeof setTimeout> => {
      const created = set(...parameters)
      if ((parameters[0] as unknown) === repeat) {
        clearTimeout(timer)
        timer = created
        if (!again || ended) clearTimeout(created)
      }
      return created
    }
    globalThis.setTimeout = watched as typeof setTimeout
    try {
      poll.call(hci)
    } finally {
      globalThis.setTimeout = set
    }
  }
  hci.pollIsDevUp = Object.assign(
    () => {
      if (!ended) look()
    },
    { bind: () => repeat }
  )
  return () => {
    ended = true
    clearTimeout(timer)
  }
}

/** What the libraries print about the state of the adapter, which is told as an error here. */
const stateWarning = /^(noble|bleno) warning: adapter|^ {15}/i

/** Runs something that prints such warnings to the standard output, where a program may be writing its results. */
function withoutStateWarnings(run: () => void): void {
  const output = globalThis.console
  const { log } = output
  output.log = (...parameters: unknown[]) => {
    if (!(typeof parameters[0] === 'string' && stateWarning.test(parameters[0]))) log.apply(output, parameters)
  }
  try {
    run()
  } finally {
    output.log = log
  }
}

/** Keeps a library's bindings from printing when the state changes. */
export function quietStateChanges(bindings: { onStateChange?: (state: string) => void }): void {
  const change = bindings.onStateChange
  if (change === undefined) return
  bindings.onStateChange = (state) => {
    withoutStateWarnings(() => {
      change.call(bindings, state)
    })
  }
}
