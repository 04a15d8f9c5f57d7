import type { ProxyAddress } from './tunnel.ts'

export interface __Name__Options {
  /** The proxy: `http://proxy.example:3128`. */
  readonly proxy: string
  /** Milliseconds until a tunnel has to be open. @default 10000 */
  readonly deadlineMs?: number
}

export interface CheckedOptions {
  readonly proxy: ProxyAddress
  readonly deadlineMs: number
}

/** @throws TypeError */
export function checkOptions({ proxy, deadlineMs = 10_000 }: __Name__Options): CheckedOptions {
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined
  if (url?.protocol !== 'http:' || url.hostname === '') throw new TypeError('proxy is not a URL such as http://proxy.example:3128')
  if (!(deadlineMs > 0)) throw new TypeError('deadlineMs is not a number of milliseconds')
  return { proxy: { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 80 : Number(url.port) }, deadlineMs }
}
