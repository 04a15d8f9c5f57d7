/** Where a component writes what an operator may want to read. Structured: one sentence plus plain fields. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
  /** A logger whose lines carry `name` appended to this one's, e.g. `kithmesh:dnssd:browser`. */
  child(name: string): Logger
}
