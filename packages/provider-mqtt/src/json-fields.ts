/** Strict reading of JSON from strangers; everything throws a RangeError that names the field. */
export type Fields = Readonly<Record<string, unknown>>

export function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new RangeError(`${name} is no object`)
  return value as Fields
}

export function integerOf(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < min || value > max)
    throw new RangeError(`${name} is no whole number from ${min} to ${max}`)
  return value
}

export function textOf(value: unknown, name: string, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value)) throw new RangeError(`${name} is malformed`)
  return value
}

export function oneOf<const T extends string>(value: unknown, name: string, values: readonly T[]): T {
  if (!values.includes(value as T)) throw new RangeError(`${name} is none of ${values.join(', ')}`)
  return value as T
}

export function listOf(value: unknown, name: string, max: number): readonly unknown[] {
  if (!Array.isArray(value) || value.length > max) throw new RangeError(`${name} is no list of at most ${max}`)
  return value
}
