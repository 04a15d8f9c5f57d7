/** @returns the value of an option that has to be a whole number. @throws TypeError that names the option and its range */
export function checkInteger(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new TypeError(`${name} must be a whole number from ${least} to ${most}, not ${String(value)}`)
  return value
}

/** @returns the value of an option that may be any number of a range, fractions included. @throws TypeError that names the option and its range */
export function checkRange(name: string, value: number, least: number, most: number): number {
  if (!(typeof value === 'number' && value >= least && value <= most))
    throw new TypeError(`${name} must be a number from ${least} to ${most}, not ${String(value)}`)
  return value
}

/**
 * For options that are times, sizes or counts.
 * @throws TypeError for the first of the named ones that is given and is no positive, finite number
 */
export function checkPositive<T extends object>(options: T, ...names: readonly (keyof T & string)[]): void {
  for (const name of names) {
    const value: unknown = options[name]
    if (value !== undefined && !(typeof value === 'number' && value > 0 && Number.isFinite(value)))
      throw new TypeError(`${name} must be a positive number, not ${String(value)}`)
  }
}
