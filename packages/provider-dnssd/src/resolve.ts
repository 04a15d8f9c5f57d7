/** From a service's name to where it listens. */
import { isIPv4 } from 'node:net'
import { type Clock, type ResolvedUrl, addressKind, isLinkLocal, isLinkLocal6, waitFor } from '@kithmesh/core/plugin'
import type { Browser } from './browser.ts'
import { dnssdErrors } from './errors.ts'
import { rrType } from './rdata.ts'
import type { Question } from './dns-message.ts'

/** How long a peer may take to say where it is. */
const resolveTimeoutMs = 5000
/** Pause between questions while nothing comes. */
const repeatMs = 1000
/** After the first address, how long others are waited for when they had to be asked for. */
const collectMs = 30

interface Target {
  readonly host: string
  readonly port: number
}

/** The newest SRV record on any link. */
function findTarget(browser: Browser, name: string): Target | undefined {
  const records = browser.links.flatMap((link) => link.find(name, rrType.SRV)).sort((a, b) => b.receivedAt - a.receivedAt)
  for (const {
    record: { data }
  } of records)
    if (data.type === rrType.SRV && data.port !== 0) return { host: data.target, port: data.port }
  return undefined
}

function isUsable(address: string, loopback: boolean): boolean {
  if (isIPv4(address)) {
    const first = Number(address.split('.')[0])
    return first !== 0 && first < 224 && (first !== 127 || loopback)
  }
  if (address === '::' || /^ff/i.test(address) || /^::ffff:/i.test(address)) return false
  return address !== '::1' || loopback
}

/** Routable IPv6, then IPv4, then what only this link understands. */
function rank(address: string): number {
  return (isLinkLocal(address) ? 2 : 0) + (isIPv4(address) ? 1 : 0)
}

/** All addresses of a host that the links know, the most promising first. Loopback addresses count on loopback links only. */
function findAddresses(browser: Browser, host: string): string[] {
  const addresses = new Set<string>()
  for (const view of browser.links) {
    const loopback = view.link.addresses.some((own) => addressKind(own)?.kind === 'loopback')
    for (const type of [rrType.A, rrType.AAAA]) {
      for (const {
        record: { data },
        leaving
      } of view.find(host, type)) {
        if (!('address' in data) || leaving || !isUsable(data.address, loopback)) continue
        addresses.add(isLinkLocal6(data.address) ? `${data.address}%${view.link.name}` : data.address)
      }
    }
  }
  return [...addresses].sort((a, b) => rank(a) - rank(b))
}

/** `wss://shop.local:4984/db`; a host name no URL can carry is replaced by its first address. */
export function serviceUrl(host: string, port: number, databaseName: string, addresses: readonly string[]): string {
  const plain = /^[A-Za-z0-9._-]{1,253}$/.test(host)
  const first = (addresses[0] ?? '').split('%')[0] as string
  const authority = plain ? host : first.includes(':') ? `[${first}]` : first
  return `wss://${authority}:${port}/${encodeURIComponent(databaseName)}`
}

/**
 * Answers from the cache, or asks every link for SRV, A and AAAA until there is at least one address.
 * @throws ERR_DNSSD_RESOLVE_TIMEOUT after five seconds, ERR_DNSSD_STOPPED when browsing ends, the signal's reason when aborted
 */
export async function resolveService(
  browser: Browser,
  name: string,
  databaseName: string,
  clock: Clock,
  signal: AbortSignal,
  stopped: AbortSignal
): Promise<ResolvedUrl> {
  signal.throwIfAborted()
  const started = clock.monotonic()
  let asked = -Infinity
  let addressesSince: number | undefined
  for (;;) {
    if (stopped.aborted) throw dnssdErrors.create('ERR_DNSSD_STOPPED', `Browsing ended while ${name} was being resolved`)
    const now = clock.monotonic()
    const target = findTarget(browser, name)
    const addresses = target === undefined ? [] : findAddresses(browser, target.host)
    if (target !== undefined && addresses.length > 0) {
      addressesSince ??= now
      if (asked === -Infinity || now - addressesSince >= collectMs)
        return { url: serviceUrl(target.host, target.port, databaseName, addresses), addresses }
    }
    if (now - started >= resolveTimeoutMs) {
      throw dnssdErrors.create(
        'ERR_DNSSD_RESOLVE_TIMEOUT',
        target === undefined
          ? `Nobody answered for host and port of ${name} within ${resolveTimeoutMs} ms`
          : `Nobody answered for the addresses of ${target.host} within ${resolveTimeoutMs} ms`,
        { details: { name, host: target?.host } }
      )
    }
    if (addressesSince === undefined && now - asked >= repeatMs) {
      asked = now
      const questions: Question[] =
        target === undefined
          ? [{ name, type: rrType.SRV }]
          : [
              { name: target.host, type: rrType.A },
              { name: target.host, type: rrType.AAAA }
            ]
      for (const view of browser.links) view.ask(questions)
    }
    const hadTarget = target !== undefined
    await nextChange(browser, clock, signal, addressesSince === undefined ? 250 : collectMs)
    // Host and port came just now: ask for the addresses without delay.
    if (!hadTarget && findTarget(browser, name) !== undefined) asked = asked === -Infinity ? asked : clock.monotonic() - repeatMs
  }
}

/** Resolves when the browser learns something or `ms` have passed. */
function nextChange(browser: Browser, clock: Clock, signal: AbortSignal, ms: number): Promise<void> {
  return waitFor<void>(signal, (resolve) => {
    const unwatch = browser.watch(resolve)
    const cancel = clock.after(ms, resolve)
    return () => {
      cancel()
      unwatch()
    }
  })
}
