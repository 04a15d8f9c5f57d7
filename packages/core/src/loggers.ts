import type { Logger } from './contracts/logger.ts'

/** Writes nothing. */
export const silentLogger: Logger = {
  debug () {}, info () {}, warn () {}, error () {},
  child: () => silentLogger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * Writes one line per entry, `2026-11-20T12:00:00.000Z warn kithmesh:dnssd message {"field":1}`, at or above `level`.
 * @param write receives each line without newline, e.g. `line => process.stderr.write(line + '\n')`.
 */
export function lineLogger (write: (line: string) => void, level: LogLevel = 'info', name = 'kithmesh', now: () => number = Date.now): Logger {
  const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
  const at = (own: LogLevel) => (message: string, fields?: Readonly<Record<string, unknown>>): void => {
    if (order.indexOf(own) < order.indexOf(level)) return
    const rest = fields === undefined ? '' : ' ' + JSON.stringify(fields, (_key, value: unknown) => value instanceof Error ? { message: value.message, code: (value as { code?: unknown }).code } : value)
    write(`${new Date(now()).toISOString()} ${own} ${name} ${message}${rest}`)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: (part) => lineLogger(write, level, `${name}:${part}`, now) }
}
