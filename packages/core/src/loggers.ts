import type { Logger } from './contracts/logger.ts'

/** Writes nothing. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * Writes one line per entry, `2026-11-20T12:00:00.000Z warn kithmesh:dnssd message {"field":1}`, at or above `level`.
 * Fields of any kind are written, also such as JSON cannot hold; errors as message, code and causes.
 * @param write receives each line without newline, e.g. `line => process.stderr.write(line + '\n')`.
 */
export function lineLogger(
  write: (line: string) => void,
  level: LogLevel = 'info',
  name = 'kithmesh',
  now: () => number = Date.now
): Logger {
  const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']
  const at =
    (own: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (order.indexOf(own) < order.indexOf(level)) return
      const text = message.replace(/\p{Cc}+/gu, ' ')
      write(`${new Date(now()).toISOString()} ${own} ${name} ${harmless(fields === undefined ? text : `${text} ${toJson(fields)}`)}`)
    }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (part) => lineLogger(write, level, `${name}:${part}`, now)
  }
}

/** The same logger, except that what it throws is ignored: logging must not change what a program does. */
export function safeLogger(logger: Logger): Logger {
  const safely =
    (level: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      try {
        logger[level](message, fields)
      } catch {
        // There is nowhere left to report it.
      }
    }
  return {
    debug: safely('debug'),
    info: safely('info'),
    warn: safely('warn'),
    error: safely('error'),
    child: (name) => safeLogger(logger.child(name))
  }
}

/**
 * What others named is in log lines, too: nothing of it is to move a terminal's cursor, to look like another line, or to turn the reading
 * direction round. In JSON text the escapes mean the same characters.
 */
function harmless(text: string): string {
  return text.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  )
}

function toJson(fields: Readonly<Record<string, unknown>>): string {
  const ancestors: unknown[] = []
  const replace = function (this: unknown, _key: string, value: unknown): unknown {
    if (typeof value === 'bigint') return String(value)
    const plain = value instanceof Error ? plainError(value) : value
    if (typeof plain !== 'object' || plain === null) return plain
    while (ancestors.length > 0 && ancestors.at(-1) !== this) ancestors.pop()
    if (ancestors.includes(plain) || ancestors.length > 8) return '[…]'
    ancestors.push(plain)
    return plain
  }
  try {
    return JSON.stringify(fields, replace)
  } catch (error) {
    return JSON.stringify({ unprintable: String(error) })
  }
}

function plainError(error: Error): Record<string, unknown> {
  const { code } = error as { code?: unknown }
  return {
    message: error.message,
    ...(code === undefined ? {} : { code }),
    ...(error.cause === undefined ? {} : { cause: error.cause }),
    ...(error instanceof AggregateError ? { errors: error.errors as unknown[] } : {})
  }
}
