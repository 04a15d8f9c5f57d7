// `eventually` of the testkit with the patience for processes: they begin slowly where many run at a time, and want the processor for themselves.
import { eventually as inThisProcess } from '@kithmesh/testkit'

export function eventually(reason, check, options) {
  return inThisProcess(reason, check, { withinMs: 60_000, everyMs: 20, ...options })
}
