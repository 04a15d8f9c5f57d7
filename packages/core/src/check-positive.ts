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
