import type { Logger } from '@kithmesh/core'

export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly name: string
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps what it is told, including what its children are told. */
export interface RecordingLogger extends Logger {
  readonly entries: readonly LogEntry[]
}

export function recordingLogger(name = 'test', entries: LogEntry[] = []): RecordingLogger {
  const at =
    (level: LogEntry['level']) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
      entries.push({ level, name, message, fields })
    }
  return {
    entries,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (part) => recordingLogger(`${name}:${part}`, entries)
  }
}
