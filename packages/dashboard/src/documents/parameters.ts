import { dashboardErrors } from '../errors.ts'

const maxText = 1_000

/** A parameter of a request; `byDefault` where it is absent. @throws ERR_DASHBOARD_REQUEST when it is too long, or absent without a default */
export function textParameter(parameters: URLSearchParams, name: string, byDefault?: string): string {
  const value = parameters.get(name) ?? byDefault
  if (value === undefined) throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', `The parameter ${name} is missing`)
  if (value.length > maxText) throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', `The parameter ${name} is too long`)
  return value
}

/** @throws ERR_DASHBOARD_REQUEST for anything but an integer from `min` to `max` */
export function integerParameter(
  parameters: URLSearchParams,
  name: string,
  { min, max, byDefault }: { readonly min: number; readonly max: number; readonly byDefault: number }
): number {
  const text = parameters.get(name)
  if (text === null) return byDefault
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw dashboardErrors.create('ERR_DASHBOARD_REQUEST', `The parameter ${name} is not a number from ${min} to ${max}`)
  return value
}
